package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// entry is one message in a record: the number of its key and its place among those of the key, from 0.
type entry struct {
	key, seq int
	by       int // the instance of the process that wrote it
}

// ID is that of the message.
func (e entry) ID() string { return strconv.Itoa(e.key) + "-" + strconv.Itoa(e.seq) }

// String is the line of a record.
func (e entry) String() string { return e.ID() + " " + strconv.Itoa(e.by) }

// parseID reads what ID writes.
func parseID(s string) (entry, error) {
	key, seq, ok := strings.Cut(s, "-")
	k, err1 := strconv.Atoi(key)
	n, err2 := strconv.Atoi(seq)
	if !ok || err1 != nil || err2 != nil || k < 0 || n < 0 {
		return entry{}, fmt.Errorf("message %.40q: want KEY-PLACE", s)
	}
	return entry{key: k, seq: n}, nil
}

// parseEntry reads what String writes.
func parseEntry(s string) (entry, error) {
	id, by, ok := strings.Cut(s, " ")
	e, err1 := parseID(id)
	n, err2 := strconv.Atoi(by)
	if !ok || err1 != nil || err2 != nil || n < 0 {
		return entry{}, fmt.Errorf("line %.40q: want KEY-PLACE INSTANCE", s)
	}
	e.by = n
	return e, nil
}

// record is a file to which several processes append entries, one write a line: what was written is there after a SIGKILL, and the order of the lines is that
// of the writes.
type record struct {
	file *os.File
	by   int
}

// openRecord opens or makes the file, to which the instance appends.
func openRecord(path string, instance int) (*record, error) {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // ours
	if err != nil {
		return nil, err
	}
	return &record{file: file, by: instance}, nil
}

func (r *record) add(e entry) error {
	e.by = r.by
	_, err := r.file.WriteString(e.String() + "\n")
	return err
}

func (r *record) close() error { return r.file.Close() }

// follower reads a record while others write it.
type follower struct {
	file   *os.File
	reader *bufio.Reader
	part   string // of a line whose end is not there yet
}

func follow(path string) (*follower, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600) //nolint:gosec // ours
	if err != nil {
		return nil, err
	}
	return &follower{file: file, reader: bufio.NewReaderSize(file, 1<<16)}, nil
}

// next calls f for each entry that came since the last call.
func (f *follower) next(each func(entry)) error {
	for {
		text, err := f.reader.ReadString('\n')
		f.part += text
		if err == io.EOF { //nolint:errorlint // of a reader
			return nil
		}
		if err != nil {
			return err
		}
		e, err := parseEntry(strings.TrimSuffix(f.part, "\n"))
		if err != nil {
			return fmt.Errorf("%s: %w", f.file.Name(), err)
		}
		f.part = ""
		each(e)
	}
}

func (f *follower) close() error { return f.file.Close() }
