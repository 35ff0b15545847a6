package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/bench/contender"
)

// connections is how many connections load a server, each with one request at a time.
const connections = 16

// serve is what a measured process does: it writes its address, and serves until its standard input ends.
func serve(ctx context.Context, name string, mode contender.Mode, stdin io.Reader, stdout io.Writer) error {
	c, err := contender.Find(name)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		stop()
	}()
	return c.Serve(ctx, mode, func(address string) { _, _ = fmt.Fprintln(stdout, address) })
}

// loopback measures servers over the network of this machine, one process each, those that are compared right after one another.
func (m *machine) loopback(ctx context.Context, f flags) ([]row, error) {
	type loaded struct {
		row

		contender contender.Contender
		mode      contender.Mode
		method    string
	}
	var all []loaded
	for _, group := range []struct {
		method string
		mode   contender.Mode
		skip   []string
	}{
		{contender.GET, contender.Unsampled, []string{"otelhttp-prom", "patron-ProcessorFunc"}},
		{contender.GET, contender.Sampled, []string{"otelhttp-prom", "patron-ProcessorFunc"}},
		{contender.POST, contender.Unsampled, []string{"otelhttp-prom", "patron-ProcessorFunc", "echo", "kratos"}},
	} {
		what := "Loopback/" + group.method + "/" + group.mode.String()
		for _, c := range contender.All() {
			if f.only.MatchString(what+"/"+c.Name) && !slices.Contains(group.skip, c.Name) {
				all = append(all, loaded{row{what: what, who: c.Name, unit: rate}, c, group.mode, group.method})
			}
		}
	}
	for round := range f.netRounds {
		for i := range all {
			l := &all[i]
			m.sayf("round %d of %d: %s/%s", round+1, f.netRounds, l.what, l.who)
			perSecond, cpu, err := m.loadOnce(ctx, f, l.contender, l.mode, l.method)
			if err != nil {
				return nil, fmt.Errorf("%s/%s: %w", l.what, l.who, err)
			}
			l.values = append(l.values, perSecond)
			if cpu > 0 {
				l.cpu = append(l.cpu, cpu)
			}
		}
	}
	rows := make([]row, 0, len(all))
	for _, l := range all {
		rows = append(rows, l.row)
	}
	return rows, nil
}

// loadOnce starts a server, warms it up, which checks its answers too, loads it and stops it. It returns requests a second, and nanoseconds of processors that
// the server takes for each; 0 where the system does not tell.
func (m *machine) loadOnce(ctx context.Context, f flags, c contender.Contender, mode contender.Mode, method string) (perSecond, cpu float64, err error) {
	s, err := m.start(ctx, c, mode)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	r, err := contender.NewRequest(method)
	if err != nil {
		return 0, 0, err
	}
	g := generator{address: s.address, request: r}
	if _, err := g.run(ctx, 200*time.Millisecond); err != nil {
		return 0, 0, fmt.Errorf("warm-up: %w", err)
	}
	before, told := processorTime(s.cmd.Process.Pid)
	var requests, took float64
	if m.wrk == "" {
		requests, err = g.run(ctx, f.load)
		took = f.load.Seconds()
	} else {
		requests, took, err = m.runWrk(ctx, f.load, s.address, r)
	}
	if err != nil {
		return 0, 0, err
	}
	if after, ok := processorTime(s.cmd.Process.Pid); ok && told {
		cpu = float64(after-before) / requests
	}
	return requests / took, cpu, nil
}

// server is a measured process.
type server struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	stderr  bytes.Buffer
	address string
}

func (m *machine) start(ctx context.Context, c contender.Contender, mode contender.Mode) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := m.pinned(0, self, "-serve", c.Name, "-mode", mode.String())
	s := &server{cmd: exec.CommandContext(ctx, args[0], args[1:]...)} //nolint:gosec // this program itself
	s.cmd.Stderr = &s.stderr
	s.cmd.Env = append(s.cmd.Environ(), "GOMAXPROCS=1")
	stdin, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	s.stdin = stdin
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the server did not say its address: %w", err), s.stop())
	}
	s.address = strings.TrimSpace(line)
	return s, nil
}

func (s *server) stop() error {
	if err := errors.Join(s.stdin.Close(), s.cmd.Wait()); err != nil {
		return fmt.Errorf("server: %w: %s", err, strings.TrimSpace(s.stderr.String()))
	}
	return nil
}

// runWrk loads an address with wrk, and returns the number of requests and the seconds they took.
func (m *machine) runWrk(ctx context.Context, d time.Duration, address string, r contender.Request) (requests, took float64, err error) {
	args := m.pinned(1, m.wrk, "-t1", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(int(d.Seconds()))+"s")
	if r.Body != "" {
		script := m.dir + "/request.lua"
		text := fmt.Sprintf("wrk.method = %q\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = [[%s]]\n", r.Method, r.Body)
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			return 0, 0, err
		}
		args = append(args, "-s", script)
	}
	args = append(args, "http://"+address+r.Path)
	out, err := m.command(ctx, args[0], args[1:]...)
	if err != nil {
		return 0, 0, err
	}
	return parseWrk(string(out))
}

// parseWrk reads what wrk says: "91234 requests in 1.00s, 20.10MB read", and a line of its own for whatever went wrong.
func parseWrk(out string) (requests, took float64, err error) {
	for line := range strings.Lines(out) { // they come last
		if strings.Contains(line, "Non-2xx") || strings.Contains(line, "Socket errors") {
			return 0, 0, fmt.Errorf("wrk: %s", strings.TrimSpace(line))
		}
	}
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[1] != "requests" {
			continue
		}
		requests, err = strconv.ParseFloat(fields[0], 64)
		d, errTook := time.ParseDuration(strings.TrimSuffix(fields[3], ","))
		if err = errors.Join(err, errTook); err != nil || requests == 0 || d <= 0 {
			return 0, 0, fmt.Errorf("wrk: %q: %w", line, errors.Join(err, errors.New("nothing was answered")))
		}
		return requests, d.Seconds(), nil
	}
	return 0, 0, fmt.Errorf("wrk: no number of requests in %q", out)
}

// processorTime returns the nanoseconds of processors that a process has used, user and system, where the system tells.
func processorTime(pid int) (int64, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	const tick = int64(10 * time.Millisecond) // USER_HZ is 100 on every system that has this file
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after) // from the third field on
	if len(fields) < 13 {
		return 0, false
	}
	user, errUser := strconv.ParseInt(fields[11], 10, 64)
	system, errSystem := strconv.ParseInt(fields[12], 10, 64)
	return (user + system) * tick, errUser == nil && errSystem == nil
}
