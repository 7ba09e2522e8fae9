package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	linked   = regexp.MustCompile(`(?:\]\(|src="|srcset=")([^)"\s]+)`)
	headings = regexp.MustCompile(`(?m)^##+ (.+)$`)
	punct    = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// What the documents point to is there: files, pictures among them, and sections.
func TestDocuments_links(t *testing.T) {
	t.Parallel()
	for _, document := range documents {
		text, err := os.ReadFile(filepath.Join(root, document))
		if err != nil {
			t.Fatal(err)
		}
		sections := make(map[string]bool)
		for _, m := range headings.FindAllStringSubmatch(string(text), -1) {
			sections[strings.ReplaceAll(punct.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
		}
		links := linked.FindAllStringSubmatch(string(text), -1)
		for _, m := range links {
			link := m[1]
			if section, ok := strings.CutPrefix(link, "#"); ok {
				if !sections[section] {
					t.Errorf("%s: there is no section %s", document, link)
				}
			} else if !strings.Contains(link, "://") {
				if _, err := os.Stat(filepath.Join(root, link)); err != nil {
					t.Errorf("%s: %v", document, err)
				}
			}
		}
		if document == "README.md" && len(links) < 10 {
			t.Errorf("the README has %d links: they are not found as they are written", len(links))
		}
	}
}
