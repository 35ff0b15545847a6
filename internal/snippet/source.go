package snippet

import (
	"errors"
	"fmt"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// The comments around a snippet in its source.
const (
	begin = "// snippet: "
	end   = "// end snippet"
)

// source returns what ref (path, path#name or path#Example()) stands for in the tree at root.
func source(root, ref string) (string, error) {
	path, name, named := strings.Cut(ref, "#")
	if !filepath.IsLocal(path) {
		return "", fmt.Errorf("snippet %s: want a path from the root of the repository", ref)
	}
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path))) //nolint:gosec // the path is local
	if err != nil {
		return "", fmt.Errorf("snippet %s: %w", ref, err)
	}
	if !named {
		return tidy(languageOf(ref), string(text)), nil
	}
	if example, ok := strings.CutSuffix(name, "()"); ok {
		out, err := output(string(text), example)
		if err != nil {
			return "", fmt.Errorf("snippet %s: %w", ref, err)
		}
		return out, nil
	}
	cut, err := extract(string(text), name)
	if err != nil {
		return "", fmt.Errorf("snippet %s: %w", ref, err)
	}
	return tidy(languageOf(ref), cut), nil
}

// output returns what an Example prints, by the comment that go test compares with it.
func output(text, example string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return "", err
	}
	for _, e := range doc.Examples(file) {
		if "Example"+e.Name == example && e.Output != "" {
			return e.Output, nil
		}
	}
	return "", fmt.Errorf("the file has no %s with an output", example)
}

// extract returns the lines of the snippet with that name, without the comments that enclose it and others.
func extract(text, name string) (string, error) {
	var (
		lines []string
		open  []string // the snippets that are open, the innermost last
		found bool
		depth = -1 // how many are open around the one that is wanted; -1: outside of it
	)
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case strings.HasPrefix(trimmed, begin):
			this := strings.TrimPrefix(trimmed, begin)
			if this == name {
				if found {
					return "", errors.New("there are two of that name")
				}
				found, depth = true, len(open)
			}
			open = append(open, this)
		case trimmed == end:
			if len(open) == 0 {
				return "", fmt.Errorf("%q without a beginning", end)
			}
			if open = open[:len(open)-1]; len(open) == depth {
				depth = -1
			}
		case depth >= 0:
			lines = append(lines, line)
		}
	}
	switch {
	case len(open) > 0:
		return "", fmt.Errorf("%q has no end", begin+open[len(open)-1])
	case !found:
		return "", fmt.Errorf("the file has no %q", begin+name)
	case strings.TrimSpace(strings.Join(lines, "")) == "":
		return "", errors.New("nothing is in it")
	}
	return strings.Join(lines, ""), nil
}

// tidy removes common indentation and blank lines around a text, and formats it if the extension is that of Go.
func tidy(ext, text string) string {
	text = dedent(text)
	if ext == ".go" {
		if formatted, err := format.Source([]byte(text)); err == nil { // a piece of a statement cannot be formatted
			text = string(formatted)
		}
	}
	return strings.Trim(text, "\n") + "\n"
}

func dedent(text string) string {
	lines := strings.Split(text, "\n")
	common, known := "", false
	for _, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if !known {
			common, known = indent, true
		}
		for !strings.HasPrefix(indent, common) {
			common = common[:len(common)-1]
		}
	}
	for i, line := range lines {
		lines[i] = strings.TrimRight(strings.TrimPrefix(line, common), " \t")
	}
	return strings.Join(lines, "\n")
}
