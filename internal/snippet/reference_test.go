package snippet

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

var (
	reference = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#{1,6} (.+)$`)
	fenced    = regexp.MustCompile("(?ms)^```.*?^```")
)

func TestReferencesOfDocumentsLeadSomewhere(t *testing.T) {
	t.Parallel()
	documents := []string{"README.md", "CONTRIBUTING.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md", "examples/*/README.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			document, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			documents = append(documents, document)
		}
	}
	for _, document := range documents {
		for _, m := range reference.FindAllStringSubmatch(prose(t, document), -1) {
			if strings.Contains(m[1], "://") {
				continue // the rest of the world is not ours to test
			}
			path, anchor, _ := strings.Cut(m[1], "#")
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), filepath.FromSlash(path))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %s leads nowhere: %v", document, m[1], err)
			} else if anchor != "" && !slices.Contains(anchors(prose(t, target)), anchor) {
				t.Errorf("%s: %s: there is no such heading", document, m[1])
			}
		}
	}
}

// prose returns a document without its blocks of code.
func prose(t *testing.T, document string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	return fenced.ReplaceAllString(string(text), "")
}

// anchors returns the names that GitHub gives to headings.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		names = append(names, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, m[1]))
	}
	return names
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	got := anchors("# A, or B\n\n## `/ready`: what it says\n")
	if want := []string{"a-or-b", "ready-what-it-says"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
