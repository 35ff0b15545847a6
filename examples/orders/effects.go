package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Effects writes one JSON line for each finished order. The zero value writes nowhere. It may be used concurrently.
type Effects struct {
	mu      sync.Mutex // guards everything below
	file    *os.File
	err     error              // of the last write
	written map[string]Outcome // orders whose line is in the file while nobody knows that it is, see WriteOnce
}

// effect is one line.
type effect struct {
	Invoice  string `json:"invoice"`
	Customer string `json:"customer"`
	Outcome  Status `json:"outcome"`
	Attempts int    `json:"attempts"`
	Time     string `json:"time"`
}

// OpenEffects opens path for appending; "" is nowhere. A last line that a killed process left torn is cut off.
func OpenEffects(path string) (*Effects, error) {
	e := &Effects{written: make(map[string]Outcome)}
	if path == "" {
		return e, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o644) //nolint:gosec // the user names the file and others may read it
	if err != nil {
		return nil, fmt.Errorf("effects: %w", err)
	}
	if err := cutTorn(file); err != nil {
		return nil, errors.Join(fmt.Errorf("effects: %w", err), file.Close())
	}
	e.file = file
	return e, nil
}

// cutTorn cuts off what comes behind the last line feed.
func cutTorn(file *os.File) error {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	const block = 64 << 10
	buf := make([]byte, block)
	for end := info.Size(); end > 0; {
		from := max(0, end-block)
		n, err := file.ReadAt(buf[:end-from], from)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			if keep := from + int64(i) + 1; keep < info.Size() {
				return file.Truncate(keep)
			}
			return nil
		}
		end = from
	}
	if info.Size() > 0 {
		return file.Truncate(0)
	}
	return nil
}

// Recover looks for lines of orders that are unfinished as far as anybody knows: the process was killed between the line and what should have followed it.
// WriteOnce will not write them again.
func (e *Effects) Recover(unfinished func(invoice string) bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.file == nil {
		return nil
	}
	info, err := e.file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	lines := bufio.NewScanner(io.NewSectionReader(e.file, 0, info.Size()))
	lines.Buffer(nil, maxLine)
	for number := 1; lines.Scan(); number++ {
		var line effect
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("effects: line %d: %w", number, err)
		}
		if !unfinished(line.Invoice) {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, line.Time)
		if err != nil {
			return fmt.Errorf("effects: line %d: %w", number, err)
		}
		e.written[line.Invoice] = Outcome{Status: line.Outcome, Attempts: line.Attempts, At: at}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("effects: %w", err)
	}
	return nil
}

// Write appends one line in one write. It is all or nothing: of a line that was cut short nothing stays.
func (e *Effects) Write(o *Order, outcome Outcome) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = e.writeLocked(o, outcome)
	return e.err
}

// WriteOnce is Write for somebody who may fail afterwards and come again: until Forget a second call writes nothing, and returns what the line says.
func (e *Effects) WriteOnce(o *Order, outcome Outcome) (Outcome, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if before, ok := e.written[o.Invoice]; ok {
		before.Cause = outcome.Cause
		return before, nil
	}
	if e.err = e.writeLocked(o, outcome); e.err != nil {
		return outcome, e.err
	}
	e.written[o.Invoice] = outcome
	return outcome, nil
}

// Forget says that what WriteOnce wrote is known elsewhere.
func (e *Effects) Forget(invoice string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.written, invoice)
}

func (e *Effects) writeLocked(o *Order, outcome Outcome) error {
	if e.file == nil {
		return nil
	}
	line, err := json.Marshal(effect{o.Invoice, o.Customer, outcome.Status, outcome.Attempts, outcome.At.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return fmt.Errorf("effects: %w", err)
	}
	return e.appendLocked(append(line, '\n'))
}

func (e *Effects) appendLocked(line []byte) error {
	n, err := e.file.Write(line)
	if err == nil {
		return nil
	}
	if n > 0 {
		if info, statErr := e.file.Stat(); statErr == nil {
			err = errors.Join(err, e.file.Truncate(info.Size()-int64(n)))
		}
	}
	return fmt.Errorf("effects: %w", err)
}

// Check returns the error of the last write, so that /ready tells of it.
func (e *Effects) Check(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.err
}

// Close closes the file.
func (e *Effects) Close() error {
	if e.file == nil {
		return nil
	}
	return e.file.Close()
}
