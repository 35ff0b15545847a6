package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Effects writes one JSON line for each finished order. The zero value writes nowhere. It may be used concurrently.
type Effects struct {
	mu   sync.Mutex // guards file and err
	file *os.File
	err  error // of the last write
}

// effect is one line.
type effect struct {
	Invoice  string `json:"invoice"`
	Customer string `json:"customer"`
	Outcome  Status `json:"outcome"`
	Attempts int    `json:"attempts"`
	Time     string `json:"time"`
}

// OpenEffects opens path for appending; "" is nowhere.
func OpenEffects(path string) (*Effects, error) {
	if path == "" {
		return &Effects{}, nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // the user names the file and others may read it
	if err != nil {
		return nil, fmt.Errorf("effects: %w", err)
	}
	return &Effects{file: file}, nil
}

// Write appends one line in one write. It is all or nothing: of a line that was cut short nothing stays.
func (e *Effects) Write(o *Order, outcome Status, attempts int, at time.Time) error {
	if e.file == nil {
		return nil
	}
	line, err := json.Marshal(effect{o.Invoice, o.Customer, outcome, attempts, at.UTC().Format(time.RFC3339Nano)})
	if err != nil {
		return fmt.Errorf("effects: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.err = e.writeLocked(append(line, '\n'))
	return e.err
}

func (e *Effects) writeLocked(line []byte) error {
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

// WriteUntilDone is Write that tries again until ctx ends: an order whose effect cannot be written is neither processed nor dead.
func (e *Effects) WriteUntilDone(ctx context.Context, o *Order, outcome Status, attempts int) (time.Time, error) {
	const longest = time.Second
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, longest) {
		now := time.Now()
		err := e.Write(o, outcome, attempts, now)
		if err == nil {
			return now, nil
		}
		select {
		case <-ctx.Done():
			return now, errors.Join(context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
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
