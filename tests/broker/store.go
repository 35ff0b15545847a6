package broker

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// CacheVariable is the environment variable that names the directory of what was fetched.
const CacheVariable = "PATRON_BROKERS_CACHE"

// CacheDir is where what was fetched is kept: what CacheVariable names, or patron-brokers in the user's directory for caches. It need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv(CacheVariable); dir != "" { //nolint:forbidigo // tests are no service
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: say in %s where to keep what is fetched", err, CacheVariable)
	}
	return filepath.Join(dir, "patron-brokers"), nil
}

// store is the cache: a directory for each artifact, which is there as a whole or not at all.
type store struct {
	dir string

	mu       sync.Mutex // guards progress
	progress io.Writer
}

func newStore(dir string, progress io.Writer) (*store, error) {
	if dir == "" {
		found, err := CacheDir()
		if err != nil {
			return nil, err
		}
		dir = found
	}
	if progress == nil {
		progress = io.Discard
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("cache of the brokers: %w", err)
	}
	return &store{dir: dir, progress: progress}, nil
}

func (s *store) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.progress, line)
}

// lock waits until this process is the only one that holds the lock of that name. A process that dies gives it up.
func (s *store) lock(ctx context.Context, name string) (unlock func(), err error) {
	return Lock(ctx, filepath.Join(s.dir, name+".lock"))
}

// Lock waits until this caller is the only one that has the file locked, and makes the file if need be. A process that dies gives its locks up.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the caller names it
	if err != nil {
		return nil, err
	}
	err = until(ctx, 50*time.Millisecond, func() (bool, error) {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
	}
	return func() { _ = file.Close() }, nil // closing unlocks
}

// artifact is a directory that is fetched.
type artifact struct {
	name  string    // of the directory, with its version
	proof string    // a file in it
	tools []program // that fetch it
	fetch func(ctx context.Context, dir string) error
}

// path is where the artifact is, once it was fetched.
func (s *store) path(a artifact) string { return filepath.Join(s.dir, a.name) }

// has reports whether nothing is left to fetch.
func (s *store) has(a artifact) bool {
	if a.fetch == nil {
		return true
	}
	_, err := os.Stat(filepath.Join(s.path(a), a.proof))
	return err == nil
}

// fetch gets the artifact unless it is there. It is fetched beside its place and moved there when it is whole.
func (s *store) fetch(ctx context.Context, a artifact) error {
	if s.has(a) {
		return nil
	}
	unlock, err := s.lock(ctx, a.name)
	if err != nil {
		return err
	}
	defer unlock()
	if s.has(a) {
		return nil
	}
	fresh, err := os.MkdirTemp(s.dir, a.name+".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	s.say("fetching " + a.name)
	if err := a.fetch(ctx, fresh); err != nil {
		return fmt.Errorf("fetching %s: %w", a.name, err)
	}
	if _, err := os.Stat(filepath.Join(fresh, a.proof)); err != nil {
		return fmt.Errorf("fetching %s: it came without %s", a.name, a.proof)
	}
	if err := os.RemoveAll(s.path(a)); err != nil { // something without its proof
		return err
	}
	return os.Rename(fresh, s.path(a))
}

// coordinates name an artifact of Maven.
type coordinates struct {
	Group    string `xml:"groupId"`
	Artifact string `xml:"artifactId"`
	Version  string `xml:"version"`
}

// project is a pom.xml.
type project struct {
	XMLName      xml.Name      `xml:"http://maven.apache.org/POM/4.0.0 project"`
	ModelVersion string        `xml:"modelVersion"`
	Group        string        `xml:"groupId"`
	Artifact     string        `xml:"artifactId"`
	Version      string        `xml:"version"`
	Packaging    string        `xml:"packaging"`
	Dependencies []coordinates `xml:"dependencies>dependency"`
}

// jars are what Maven finds that the artifacts need, and themselves.
func jars(name, proof string, wanted ...coordinates) artifact {
	return artifact{
		name:  name,
		proof: filepath.Join("libs", proof),
		tools: []program{{name: "mvn", debian: "maven"}},
		fetch: func(ctx context.Context, dir string) error {
			pom, err := xml.MarshalIndent(project{
				ModelVersion: "4.0.0", Group: "patron", Artifact: "brokers", Version: "1", Packaging: "pom", Dependencies: wanted,
			}, "", "  ")
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil { //nolint:gosec // for everybody
				return err
			}
			return tool(ctx, dir, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=libs")
		},
	}
}

// module is a package of npm with what it needs.
func module(name, version string) artifact {
	return artifact{
		name:  name + "-" + version,
		proof: filepath.Join("node_modules", name, "package.json"),
		tools: []program{{name: "npm", debian: "npm"}},
		fetch: func(ctx context.Context, dir string) error {
			return tool(ctx, dir, "npm", "install", "--prefix", dir, name+"@"+version, "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
		},
	}
}

// tool runs a program that fetches, in a directory.
func tool(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // of our table
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, tail(string(out)))
	}
	return nil
}
