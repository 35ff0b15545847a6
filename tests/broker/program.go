package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// find looks for the program. Of several versions it takes the newest.
func (p program) find() (string, error) {
	if p.in != "" {
		dirs, err := filepath.Glob(p.in)
		if err != nil {
			return "", err
		}
		slices.SortFunc(dirs, func(a, b string) int { return slices.Compare(numbers(b), numbers(a)) })
		for _, dir := range dirs {
			if path, err := exec.LookPath(filepath.Join(dir, p.name)); err == nil {
				return path, nil
			}
		}
	}
	return exec.LookPath(p.name)
}

// numbers are those in a text: 9.6 is before 15.
func numbers(text string) []int {
	var all []int
	for digits := range strings.FieldsFuncSeq(text, func(r rune) bool { return r < '0' || r > '9' }) {
		n, _ := strconv.Atoi(digits) // too large is the largest
		all = append(all, n)
	}
	return all
}

// missing are the programs that are not there.
func missing(programs []program) []program {
	return slices.DeleteFunc(slices.Clone(programs), func(p program) bool {
		_, err := p.find()
		return err == nil
	})
}

// Prepare sees to it that what the kinds need is on this machine: it installs and fetches what is missing, in one go for all of them. It writes what it does to
// progress, a line each, which may be nil. Two processes may prepare at once, one waits for the other. Start does the same for its own kind.
//
// The error is a *MissingError, or several that are joined, one for each kind that cannot be started.
func Prepare(ctx context.Context, cache string, progress io.Writer, kinds ...Kind) error {
	s, err := newStore(cache, progress)
	if err != nil {
		return err
	}
	wanted := make(map[Kind][]program)
	var all []program
	for _, k := range kinds {
		n := k.needs()
		programs := n.programs
		if !s.has(n.artifact) {
			programs = slices.Concat(programs, n.artifact.tools)
		}
		wanted[k] = missing(programs)
		all = append(all, wanted[k]...)
	}
	installed := error(nil)
	if len(all) > 0 {
		installed = s.install(ctx, all)
	}
	return errors.Join(inParallel(kinds, func(k Kind) error {
		if still := missing(wanted[k]); len(still) > 0 {
			return &MissingError{Kind: k, Programs: programNames(still), Packages: debianNames(still), Err: installed}
		}
		if err := s.fetch(ctx, k.needs().artifact); err != nil {
			return &MissingError{Kind: k, Err: err}
		}
		return nil
	})...)
}

// MissingError says what a broker needs and could not be installed.
type MissingError struct {
	Kind     Kind
	Programs []string // that are not there
	Packages []string // of Debian, which have them
	Err      error    // why they could not be installed or fetched
}

// Error names what is missing, and every way to get it.
func (e *MissingError) Error() string {
	if len(e.Programs) == 0 {
		return fmt.Sprintf("%s: %v; or name one that runs in %s", e.Kind, e.Err, e.Kind.Variable())
	}
	return fmt.Sprintf("%s: %s missing: install it (Debian: apt-get install %s), start Docker, or name one that runs in %s: %v",
		e.Kind, strings.Join(e.Programs, " and "), strings.Join(e.Packages, " "), e.Kind.Variable(), e.Err)
}

// Unwrap is why it could not be had.
func (e *MissingError) Unwrap() error { return e.Err }

func programNames(programs []program) []string {
	list := make([]string, len(programs))
	for i, p := range programs {
		list[i] = p.name
	}
	return list
}

func debianNames(programs []program) []string {
	list := make([]string, len(programs))
	for i, p := range programs {
		list[i] = p.debian
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// install lets apt-get install Debian's packages, if this user may.
func (s *store) install(ctx context.Context, programs []program) error {
	packages := debianNames(programs)
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("there is no apt-get to install it with")
	}
	apt := []string{"apt-get"}
	if os.Geteuid() != 0 {
		if err := exec.CommandContext(ctx, "sudo", "-n", "true").Run(); err != nil {
			return errors.New("apt-get wants root, or sudo without a password")
		}
		apt = []string{"sudo", "-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"}
	}
	unlock, err := s.lock(ctx, "apt")
	if err != nil {
		return err
	}
	defer unlock()
	s.say("apt-get install " + strings.Join(packages, " "))
	run := func(args ...string) error {
		args = slices.Concat(apt, []string{"-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"}, args)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // a fixed command and packages of our table
		cmd.Env = append(cmd.Environ(), "DEBIAN_FRONTEND=noninteractive")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, tail(string(out)))
		}
		return nil
	}
	updated := run("update") // fails if someone else updates right now, or without a network; what matters is whether the next succeeds
	if err := run(append([]string{"install", "-y", "--no-install-recommends"}, packages...)...); err != nil {
		return errors.Join(updated, err)
	}
	return nil
}

// tailLines is how much of a log an error shows.
const tailLines = 20

// tail is the end of a text.
func tail(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
