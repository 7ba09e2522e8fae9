package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is the checkout.
const root = "../.."

// documents are those whose blocks are tested.
var documents = []string{"README.md", "CHANGELOG.md"}

// fence is a fenced block of a document.
type fence struct {
	document string
	line     int
	section  string // the heading of the second level above it
	lang     string
	text     string
	output   bool // it is what the sh block right before it prints
}

func (f fence) String() string { return fmt.Sprintf("%s:%d", f.document, f.line) }

func fences(t *testing.T, document string) []fence {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var list []fence
	var open *fence
	section, adjacent := "", false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case open != nil && line == "```":
			list = append(list, *open)
			adjacent = open.lang == "sh"
			open = nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "```"):
			open = &fence{document: document, line: i + 1, section: section, lang: strings.TrimPrefix(line, "```")}
			open.output = adjacent && open.lang != "sh"
		case strings.TrimSpace(line) != "":
			adjacent = false
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				section = heading
			}
		}
	}
	if open != nil {
		t.Fatalf("%s: the block is not closed", open)
	}
	return list
}

// block is the one block of the README that has all the words.
func block(t *testing.T, words ...string) string {
	t.Helper()
	var found []string
	for _, f := range fences(t, "README.md") {
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(f.text, w) }) {
			found = append(found, f.text)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks with %q, want 1", len(found), words)
	}
	return found[0]
}
