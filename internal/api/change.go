package api

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Change is what became of one symbol. Old is empty for one that is new, New for one that is gone.
type Change struct{ Old, New string }

// Breaking reports whether code that uses the symbol may no longer compile, or may mean something else.
func (c Change) Breaking() bool { return c.Old != "" }

// Compare returns what differs between two lists of lines, sorted by symbol.
func Compare(before, after []string) []Change {
	changes := make(map[string]Change)
	for _, line := range before {
		if !slices.Contains(after, line) {
			changes[symbolOf(line)] = Change{Old: line}
		}
	}
	for _, line := range after {
		if !slices.Contains(before, line) {
			symbol := symbolOf(line)
			changes[symbol] = Change{Old: changes[symbol].Old, New: line}
		}
	}
	cc := make([]Change, 0, len(changes))
	for _, c := range changes {
		cc = append(cc, c)
	}
	slices.SortFunc(cc, func(a, b Change) int {
		return cmp.Compare(symbolOf(cmp.Or(a.Old, a.New)), symbolOf(cmp.Or(b.Old, b.New)))
	})
	return cc
}

// symbol matches what names a symbol in a line: its package, and its name with that of its type. A receiver that becomes a pointer is the same method.
var symbol = regexp.MustCompile(
	`^\S+: (?:(?:func|const|var) \w+|method \(\S+(?:, \S+)*\) \w+|type \w+(?:\[.*\])? (?:struct|interface)(?: \{|, (?:embedded \S+|\w+))?|type \w+)`)

func symbolOf(line string) string {
	return strings.Replace(cmp.Or(symbol.FindString(line), line), "method (*", "method (", 1)
}

// Report says what changes mean and how to accept them with command. It is empty if there are none.
func Report(cc []Change, command string) string {
	if len(cc) == 0 {
		return ""
	}
	var b strings.Builder
	section := func(breaking bool, title string) {
		n := 0
		for _, c := range cc {
			if c.Breaking() != breaking {
				continue
			}
			if n++; n == 1 {
				b.WriteString("\n" + title + "\n")
			}
			if c.Old != "" {
				b.WriteString("  - " + c.Old + "\n")
			}
			if c.New != "" {
				b.WriteString("  + " + c.New + "\n")
			}
		}
	}
	b.WriteString("the exported API is not what api.txt says\n")
	section(true, "BREAKING: what uses these may no longer compile, or mean something else")
	section(false, "additive: these are new")
	fmt.Fprintf(&b, "\nIf that is meant, accept it with\n\n\t%s\n\nand say in CHANGELOG.md what users see.\n", command)
	return b.String()
}
