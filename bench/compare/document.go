package main

import (
	"bytes"
	"fmt"
	"os"
)

// The markers between which a document holds the table.
const (
	beginMarker = "<!-- begin: make compare -->\n"
	endMarker   = "<!-- end: make compare -->\n"
)

// rewrite replaces what stands between the markers of a document.
func rewrite(path, text string) error {
	old, err := os.ReadFile(path) //nolint:gosec // the document that the user names
	if err != nil {
		return err
	}
	before, rest, begun := bytes.Cut(old, []byte(beginMarker))
	_, after, ended := bytes.Cut(rest, []byte(endMarker))
	if !begun || !ended {
		return fmt.Errorf("%s: want the lines %q and %q", path, beginMarker, endMarker)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(beginMarker + "\n" + text + "\n" + endMarker)
	b.Write(after)
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), info.Mode().Perm())
}
