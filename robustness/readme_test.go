package robustness

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Every command in the README is one: make knows the target, and the tests their flags. They
// are not run here, since they take minutes, or examine a saved history.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks, n := strings.Split(string(text), "```"), 0
	for i := 1; i < len(blocks); i += 2 {
		commands, ok := strings.CutPrefix(blocks[i], "sh\n")
		if !ok {
			continue
		}
		for line := range strings.Lines(commands) {
			line = strings.TrimSpace(line)
			dry := line
			switch {
			case strings.HasPrefix(line, "make "):
				dry = "make -n " + strings.TrimPrefix(line, "make ")
			case strings.HasPrefix(line, "go test "):
				dry += " -list ."
			default:
				t.Errorf("what is %q?", line)
				continue
			}
			n++
			cmd := exec.Command("sh", "-c", dry)
			cmd.Dir = ".." // where the README says things from
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", dry, err, out)
			}
		}
	}
	if n < 5 {
		t.Errorf("only %d commands were found", n)
	}
}
