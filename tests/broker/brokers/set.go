package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/beatlabs/patron/tests/broker"
)

// How a broker of the set is run, or why it is not.
const (
	process  = "process"
	compose  = "compose"
	external = "external" // named by the environment
	without  = "left out" // by withoutVariable
	absent   = "-"        // not started
)

// withoutVariable lists the brokers that are left out.
const withoutVariable = "PATRON_TEST_WITHOUT"

// entry is a broker that up started.
type entry struct {
	broker.Record

	How string `json:"how"`
}

// set is the brokers of a machine. What runs is written into a directory, which one command at a time may change.
type set struct {
	dir  string
	root string
	env  environment

	mu      sync.Mutex // guards entries and what is written to the environment's writers
	entries []entry
}

func (s *set) file() string { return filepath.Join(s.dir, "state.json") }

// open waits until no other command changes the set, and reads it.
func (s *set) open(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, err
	}
	unlock, err = broker.Lock(ctx, filepath.Join(s.dir, "lock"))
	if err != nil {
		return nil, err
	}
	if err := s.read(); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// read reads the set; one that was never written is empty.
func (s *set) read() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = nil
	text, err := os.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &s.entries); err != nil {
		return fmt.Errorf("%s: %w: stop by hand what is listed there, and remove it", s.file(), err)
	}
	return nil
}

// change changes the set, here and in its file, which always is a whole one.
func (s *set) change(do func(entries []entry) []entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries = do(s.entries)
	if len(s.entries) == 0 {
		if err := os.Remove(s.file()); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	text, err := json.MarshalIndent(s.entries, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file()+".new", append(text, '\n'), 0o644); err != nil { //nolint:gosec // no secret
		return err
	}
	return os.Rename(s.file()+".new", s.file())
}

func (s *set) add(e entry) error {
	return s.change(func(entries []entry) []entry { return append(entries, e) })
}

func (s *set) forget(k broker.Kind) error {
	return s.change(func(entries []entry) []entry {
		return slices.DeleteFunc(entries, func(e entry) bool { return e.Kind == k })
	})
}

// find is the entry of a kind.
func (s *set) find(k broker.Kind) (entry, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.entries, func(e entry) bool { return e.Kind == k })
	if i < 0 {
		return entry{}, false
	}
	return s.entries[i], true
}

// runs reports whether the broker is still the one that was started, and answers.
func (e entry) runs(ctx context.Context) bool {
	if e.How == process && !e.Alive() {
		return false
	}
	_, err := e.Kind.Answers(ctx, e.Address)
	return err == nil
}

// remove stops what is left of a broker, and forgets it.
func (s *set) remove(ctx context.Context, e entry) error {
	end := e.Remove
	if e.How == compose {
		end = func(ctx context.Context) error { return s.composeDown(ctx, e.Kind) }
	}
	if err := end(ctx); err != nil {
		return fmt.Errorf("%s: %w", e.Kind, err)
	}
	return s.forget(e.Kind)
}

// down stops those of the kinds that up started.
func (s *set) down(ctx context.Context, kinds []broker.Kind) error {
	unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	var doomed []entry
	for _, k := range kinds {
		if e, ok := s.find(k); ok {
			doomed = append(doomed, e)
		}
	}
	var wg sync.WaitGroup
	errs := make([]error, len(doomed))
	for i, e := range doomed {
		wg.Go(func() { errs[i] = s.remove(ctx, e) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// withoutKinds are the brokers that are left out.
func (s *set) withoutKinds() ([]broker.Kind, error) {
	list, _ := s.env.lookup(withoutVariable)
	kinds, err := broker.ParseKinds(list)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", withoutVariable, err)
	}
	return kinds, nil
}

// state is what a kind of broker is at this moment.
type state struct {
	kind    broker.Kind
	how     string
	version string
	address string
	pids    string
	up      bool
}

// look looks at all of them.
func (s *set) look(ctx context.Context) ([]state, error) {
	if err := s.read(); err != nil {
		return nil, err
	}
	out, err := s.withoutKinds()
	if err != nil {
		return nil, err
	}
	states := make([]state, len(broker.Kinds()))
	var wg sync.WaitGroup
	for i, k := range broker.Kinds() {
		wg.Go(func() { states[i] = s.lookAt(ctx, k, slices.Contains(out, k)) })
	}
	wg.Wait()
	return states, nil
}

func (s *set) lookAt(ctx context.Context, k broker.Kind, out bool) state {
	if out {
		return state{kind: k, how: without}
	}
	e, ours := s.find(k)
	// The shell that has called up may have exported where ours is.
	if value, ok := s.env.lookup(k.Variable()); ok && value != "" && (!ours || value != k.Value(e.Address)) {
		at, err := k.LookAt(ctx, value)
		return state{kind: k, how: external, version: at.Version, address: at.Address, up: err == nil}
	}
	if !ours {
		return state{kind: k, how: absent}
	}
	pids := make([]string, len(e.Processes))
	for i, p := range e.Processes {
		pids[i] = strconv.Itoa(p.PID)
	}
	return state{kind: k, how: e.How, version: e.Version, address: e.Address, pids: strings.Join(pids, ","), up: e.runs(ctx)}
}

// status prints a line for each broker.
func (s *set) status(ctx context.Context) error {
	states, err := s.look(ctx)
	if err != nil {
		return err
	}
	rows := [][]string{{"NAME", "VERSION", "HOW", "ADDRESS", "PID", "UP"}}
	for _, st := range states {
		up := "no"
		if st.up {
			up = "yes"
		}
		rows = append(rows, []string{string(st.kind), dash(st.version), st.how, dash(st.address), dash(st.pids), up})
	}
	return columns(s.env.stdout, rows)
}

// export prints, for the shell, where those of ours are that run.
func (s *set) export(ctx context.Context) error {
	states, err := s.look(ctx)
	if err != nil {
		return err
	}
	for _, st := range states {
		if st.up && (st.how == process || st.how == compose) {
			fmt.Fprintln(s.env.stdout, exported(st.kind, st.address))
		}
	}
	return nil
}

// exported is a line for the shell.
func exported(k broker.Kind, address string) string {
	return "export " + k.Variable() + "='" + k.Value(address) + "'" // nothing that we start has a quote in it
}
