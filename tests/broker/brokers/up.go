package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/beatlabs/patron/tests/broker"
)

// Write lets the set be the writer of progress, for several that start at once.
func (s *set) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.env.stderr.Write(append([]byte("brokers: "), line...))
}

// up starts what does not run, all at once, and prints where everything is. If one cannot be started the others run and the error says which could not; if the
// context ends, none of those that this call started stays.
func (s *set) up(ctx context.Context, o options) error {
	out, err := s.withoutKinds()
	if err != nil {
		return err
	}
	if o.named {
		out = nil
	}
	unlock, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer unlock()

	var missing []broker.Kind
	var errs []error
	for _, k := range o.kinds {
		if slices.Contains(out, k) {
			fmt.Fprintf(s, "%s: left out by %s\n", k, withoutVariable)
			continue
		}
		absent, err := s.standing(ctx, k)
		errs = append(errs, err)
		if absent {
			missing = append(missing, k)
		}
	}
	started, startErr := s.start(ctx, o.how, missing)
	errs = append(errs, startErr)
	if ctx.Err() != nil {
		for _, k := range started {
			if e, ok := s.find(k); ok {
				errs = append(errs, s.remove(context.WithoutCancel(ctx), e))
			}
		}
		return errors.Join(append(errs, context.Cause(ctx))...)
	}
	errs = append(errs, note(o.started, started))
	for _, k := range o.kinds {
		switch e, ok := s.find(k); {
		case slices.Contains(out, k):
			fmt.Fprintln(s.env.stdout, "unset "+k.Variable())
		case ok:
			fmt.Fprintln(s.env.stdout, exported(k, e.Address))
		}
	}
	return errors.Join(errs...)
}

// standing reports whether a broker must be started: it is not if it runs, or is somebody else's. Of one of ours that does not answer any more the rest is
// removed.
func (s *set) standing(ctx context.Context, k broker.Kind) (missing bool, err error) {
	e, ours := s.find(k)
	if value, ok := s.env.lookup(k.Variable()); ok && value != "" && (!ours || value != k.Value(e.Address)) {
		at, err := k.LookAt(ctx, value)
		if err != nil {
			return false, fmt.Errorf("%w; unset it, and one is started", err)
		}
		fmt.Fprintf(s, "%s: %s at %s is not ours\n", k, dash(at.Version), dash(at.Address))
		return false, nil
	}
	if !ours {
		return true, nil
	}
	if e.runs(ctx) {
		fmt.Fprintf(s, "%s: %s runs at %s\n", k, e.Version, e.Address)
		return false, nil
	}
	fmt.Fprintf(s, "%s: the one at %s is gone\n", k, e.Address)
	return true, s.remove(ctx, e)
}

// start starts the kinds, and returns those that run.
func (s *set) start(ctx context.Context, how string, kinds []broker.Kind) ([]broker.Kind, error) {
	if len(kinds) == 0 {
		return nil, nil
	}
	if how == compose || how == "" && dockerAnswers(ctx) {
		return s.composeUp(ctx, kinds)
	}
	failed := make(map[broker.Kind]error)
	err := broker.Prepare(ctx, "", s, kinds...)
	for _, one := range unjoin(err) {
		missing, ok := errors.AsType[*broker.MissingError](one)
		if !ok {
			return nil, err
		}
		failed[missing.Kind] = one
	}
	var wg sync.WaitGroup
	var mu sync.Mutex // guards started and failed
	var started []broker.Kind
	for _, k := range kinds {
		if failed[k] != nil {
			continue
		}
		wg.Go(func() {
			err := s.startProcess(ctx, k)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[k] = err
				return
			}
			started = append(started, k)
		})
	}
	wg.Wait()
	var errs []error
	for _, k := range kinds {
		errs = append(errs, failed[k])
	}
	return started, errors.Join(errs...)
}

func (s *set) startProcess(ctx context.Context, k broker.Kind) error {
	began := time.Now()
	b, err := broker.Start(ctx, broker.Spec{Kind: k, Detached: true, Progress: s})
	if err != nil {
		return err
	}
	if err := s.add(entry{Record: b.Record(), How: process}); err != nil {
		return errors.Join(err, b.Remove(context.WithoutCancel(ctx)))
	}
	fmt.Fprintf(s, "%s: %s started at %s in %.1f s\n", k, b.Version(), b.Address(), time.Since(began).Seconds())
	return nil
}

// unjoin are the errors that were joined.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// note writes names to the end of a file.
func note(path string, kinds []broker.Kind) error {
	if path == "" || len(kinds) == 0 {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // names
	if err != nil {
		return err
	}
	for _, k := range kinds {
		_, writeErr := fmt.Fprintln(file, k)
		err = errors.Join(err, writeErr)
	}
	return errors.Join(err, file.Close())
}

// composeProject tells the containers of tests from those that a user starts with the same file.
const composeProject = "patron-test"

// portVariables are the variables of compose.yaml that say at which port of the machine a service is; the first is the one for clients. The services have the
// names of the kinds.
func portVariables(k broker.Kind) []string {
	name := "PATRON_" + strings.ToUpper(string(k))
	if k == broker.RabbitMQ {
		return []string{name + "_PORT", name + "_MANAGEMENT_PORT"}
	}
	return []string{name + "_PORT"}
}

// dockerAnswers reports whether there is a Docker engine with compose.
func dockerAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "docker", "info").Run() == nil && exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil
}

func (s *set) docker(ctx context.Context, env []string, args ...string) error {
	args = append([]string{"compose", "--project-name", composeProject, "--file", filepath.Join(s.root, "compose.yaml")}, args...)
	cmd := exec.CommandContext(ctx, "docker", args...) //nolint:gosec // of ours
	cmd.Env = append(cmd.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("docker %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// composeUp starts the services of the kinds on free ports.
func (s *set) composeUp(ctx context.Context, kinds []broker.Kind) ([]broker.Kind, error) {
	var env []string
	args := []string{"up", "--detach"}
	addresses := make(map[broker.Kind]string)
	for _, k := range kinds {
		ports, err := broker.FreePorts(len(portVariables(k)))
		if err != nil {
			return nil, err
		}
		for i, variable := range portVariables(k) {
			env = append(env, fmt.Sprintf("%s=%d", variable, ports[i]))
		}
		addresses[k] = fmt.Sprintf("127.0.0.1:%d", ports[0])
		args = append(args, string(k))
	}
	if err := s.docker(ctx, env, args...); err != nil {
		return nil, errors.Join(err, s.composeDown(context.WithoutCancel(ctx), kinds...))
	}
	began := time.Now()
	var wg sync.WaitGroup
	errs := make([]error, len(kinds))
	up := make([]bool, len(kinds))
	for i, k := range kinds {
		wg.Go(func() {
			version, err := k.Await(ctx, addresses[k])
			if err != nil {
				errs[i] = errors.Join(err, s.composeDown(context.WithoutCancel(ctx), k))
				return
			}
			e := entry{Record: broker.Record{Kind: k, Version: version, Address: addresses[k]}, How: compose}
			errs[i] = s.add(e)
			up[i] = errs[i] == nil
			fmt.Fprintf(s, "%s: %s started at %s in %.1f s\n", k, dash(version), addresses[k], time.Since(began).Seconds())
		})
	}
	wg.Wait()
	var started []broker.Kind
	for i, k := range kinds {
		if up[i] {
			started = append(started, k)
		}
	}
	return started, errors.Join(errs...)
}

// composeDown removes the containers of the kinds with their data.
func (s *set) composeDown(ctx context.Context, kinds ...broker.Kind) error {
	args := []string{"rm", "--stop", "--force", "--volumes"}
	for _, k := range kinds {
		args = append(args, string(k))
	}
	return s.docker(ctx, nil, args...)
}
