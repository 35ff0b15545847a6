package snippet

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Guides returns the documents whose blocks are held to their sources, as paths from root: README.md and the guides.
func Guides(root string) ([]string, error) {
	guides, err := filepath.Glob(filepath.Join(root, "docs", "guides", "*.md"))
	if err != nil {
		return nil, fmt.Errorf("snippet: %w", err)
	}
	guides = append([]string{filepath.Join(root, "README.md")}, guides...)
	for i, g := range guides {
		if guides[i], err = filepath.Rel(root, g); err != nil {
			return nil, fmt.Errorf("snippet: %w", err)
		}
	}
	return guides, nil
}

// marker is the line above a block.
var marker = regexp.MustCompile(`^<!-- snippet: (\S+) -->$`)

// Rewrite returns the text of a guide with each block as its source has it. The faults name the file and the line: a block that differs from its source, a
// block of Go without a source, a source that is not there, a marker without a block. A block with a fault other than the first stays as it is.
func Rewrite(root, guide string) (text string, faults []string, err error) {
	content, err := os.ReadFile(filepath.Join(root, guide)) //nolint:gosec // reading the tree is what it is for
	if err != nil {
		return "", nil, fmt.Errorf("snippet: %w", err)
	}
	r := &rewriter{root: root, guide: guide, lines: strings.SplitAfter(string(content), "\n")}
	for r.at < len(r.lines) {
		r.line()
	}
	return r.out.String(), r.faults, nil
}

// rewriter goes through the lines of a guide.
type rewriter struct {
	root, guide string
	lines       []string
	at          int    // the line that comes next
	ref         string // of the marker in the line before; "" if there was none
	out         strings.Builder
	faults      []string
}

func (r *rewriter) faultf(line int, format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf("%s:%d: ", r.guide, line+1)+fmt.Sprintf(format, args...))
}

// line takes one line, or a whole block.
func (r *rewriter) line() {
	line := r.lines[r.at]
	trimmed := strings.TrimSpace(line)
	ref := r.ref
	r.ref = ""
	if fence, language := fenceOf(trimmed); fence != "" {
		r.block(ref, fence, language)
		return
	}
	if ref != "" {
		r.faultf(r.at-1, "snippet %s: no block follows", ref)
	}
	if m := marker.FindStringSubmatch(trimmed); m != nil {
		r.ref = m[1]
	} else if strings.Contains(line, "<!-- snippet") {
		r.faultf(r.at, "got %q, want <!-- snippet: path/from/root#name -->", trimmed)
	}
	r.out.WriteString(line)
	if r.at++; r.at == len(r.lines) && r.ref != "" {
		r.faultf(r.at-1, "snippet %s: no block follows", r.ref)
	}
}

// block takes the lines from one fence to the other.
func (r *rewriter) block(ref, fence, language string) {
	first := r.at
	last := first + 1
	for last < len(r.lines) && strings.TrimSpace(r.lines[last]) != fence {
		last++
	}
	if last == len(r.lines) {
		r.faultf(first, "the block has no end")
	}
	body := strings.Join(r.lines[first+1:last], "")
	r.at = min(last+1, len(r.lines))

	want := body
	switch {
	case ref != "":
		text, err := source(r.root, ref)
		if err != nil {
			r.faultf(first-1, "%v", err)
		} else if tidy(languageOf(ref), body) != text {
			r.faultf(first, "the block is not what %s has now", ref)
			want = text
		}
	case language == "go":
		r.faultf(first, "a block of Go without a source: want <!-- snippet: path/from/root.go#name --> above it")
	}
	r.out.WriteString(r.lines[first] + want + strings.Join(r.lines[last:r.at], ""))
}

// languageOf returns the extension by which a block is formatted: that of its file, but what an Example prints is text.
func languageOf(ref string) string {
	path, name, _ := strings.Cut(ref, "#")
	if strings.HasSuffix(name, "()") {
		return ".txt"
	}
	return filepath.Ext(path)
}

// fenceOf returns the fence that a line opens a block with, and the language it names.
func fenceOf(line string) (fence, language string) {
	ticks := len(line) - len(strings.TrimLeft(line, "`"))
	if ticks < 3 {
		return "", ""
	}
	language, _, _ = strings.Cut(strings.TrimSpace(line[ticks:]), " ")
	return line[:ticks], language
}
