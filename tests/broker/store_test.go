package broker

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

func newTestStore(t *testing.T, dir string) *store {
	t.Helper()
	s, err := newStore(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestManyWhoFetchTheSameFetchItOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var fetched atomic.Int32
	a := artifact{name: "thing-1", proof: "proof", fetch: func(_ context.Context, dir string) error {
		fetched.Add(1)
		return os.WriteFile(filepath.Join(dir, "proof"), nil, 0o600)
	}}
	stores := make([]*store, 20) // as many processes: a lock of a file is one of its opener
	for i := range stores {
		stores[i] = newTestStore(t, dir)
	}

	err := errors.Join(inParallel(stores, func(s *store) error {
		if err := s.fetch(t.Context(), a); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(s.path(a), "proof")); err != nil {
			return err
		}
		return nil
	})...)

	if err != nil || fetched.Load() != 1 {
		t.Errorf("fetched %d times, %v, want once", fetched.Load(), err)
	}
}

func TestWhatWasNotFetchedAsAWholeIsNotThere(t *testing.T) {
	t.Parallel()
	broken := errors.New("the line is dead")
	for name, c := range map[string]struct {
		fetch func(context.Context, string) error
		want  string
	}{
		"it fails halfway": {func(_ context.Context, dir string) error {
			return errors.Join(os.WriteFile(filepath.Join(dir, "proof"), nil, 0o600), broken)
		}, "fetching thing-1: the line is dead"},
		"it brings something else": {func(_ context.Context, dir string) error {
			return os.WriteFile(filepath.Join(dir, "other"), nil, 0o600)
		}, "fetching thing-1: it came without proof"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestStore(t, t.TempDir())
			a := artifact{name: "thing-1", proof: "proof", fetch: c.fetch}

			err := s.fetch(t.Context(), a)

			if err == nil || err.Error() != c.want || s.has(a) {
				t.Errorf("got %v, has %t, want %s", err, s.has(a), c.want)
			}
			if left, err := filepath.Glob(filepath.Join(s.dir, "thing-1*")); err != nil || len(left) != 1 || filepath.Ext(left[0]) != ".lock" {
				t.Errorf("left behind: %v, %v, want the lock alone", left, err)
			}
			a.fetch = func(_ context.Context, dir string) error {
				return os.WriteFile(filepath.Join(dir, "proof"), nil, 0o600)
			}
			if err := s.fetch(t.Context(), a); err != nil || !s.has(a) {
				t.Errorf("the next try: %v", err)
			}
		})
	}
}

func TestWhoWaitsForALockGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)

	if _, err := Lock(ctx, path); !errors.Is(err, enough) {
		t.Errorf("got %v, want %v", err, enough)
	}

	unlock()
	unlock, err = Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestTheCacheIsWhereItsVariableSays(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(CacheVariable, dir)
	if got, err := CacheDir(); err != nil || got != dir {
		t.Errorf("got %s, %v, want %s", got, err, dir)
	}
	t.Setenv(CacheVariable, "")
	t.Setenv("XDG_CACHE_HOME", dir)
	if got, err := CacheDir(); err != nil || filepath.Base(got) != "patron-brokers" {
		t.Errorf("got %s, %v, want patron-brokers in the user's cache", got, err)
	}
}

func TestWhatIsMissingIsNamedWithItsPackage(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // without apt-get
	cache := t.TempDir()

	err := Prepare(t.Context(), cache, nil, Kafka, Fauxqs)

	for _, want := range []string{
		"kafka: java and mvn missing: install it (Debian: apt-get install maven openjdk-17-jre-headless), start Docker, or name one that runs in PATRON_TEST_KAFKA",
		"fauxqs: node and npm missing: install it (Debian: apt-get install nodejs npm), start Docker, or name one that runs in PATRON_TEST_SNS_ENDPOINT",
		"there is no apt-get",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	missing, ok := errors.AsType[*MissingError](err)
	if !ok || missing.Kind != Kafka {
		t.Errorf("got %+v, %t, want that of Kafka", missing, ok)
	}
	if _, err := Start(t.Context(), Spec{Kind: Fauxqs, Cache: cache}); err == nil || !strings.Contains(err.Error(), "fauxqs: node and npm missing") {
		t.Errorf("Start: got %v", err)
	}
}

func TestTheNewestOfSeveralVersionsIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, version := range []string{"9.6", "15", "17"} {
		bin := filepath.Join(dir, version, "bin")
		if err := errors.Join(os.MkdirAll(bin, 0o755), os.WriteFile(filepath.Join(bin, "thing"), nil, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	want := filepath.Join(dir, "17", "bin", "thing")
	if got, err := (program{name: "thing", in: filepath.Join(dir, "*", "bin")}).find(); err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestWhatIsMissingIsInstalledInOneGo(t *testing.T) {
	// not parallel: the path belongs to the process
	bin := t.TempDir()
	calls := filepath.Join(bin, "calls")
	for name, script := range map[string]string{
		"apt-get": `echo "$DEBIAN_FRONTEND $*" >>` + calls + `
for program in redis-server java mvn; do echo '#!/bin/sh' >` + bin + `/$program; /bin/chmod +x ` + bin + `/$program; done`,
		"sudo": `shift; exec /usr/bin/env "$@"`, // for who is not root
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	cache := t.TempDir()
	jars := filepath.Join(cache, "elasticmq-"+elasticMQVersion)
	if err := errors.Join(
		os.MkdirAll(filepath.Join(jars, "libs"), 0o755),
		os.WriteFile(filepath.Join(jars, "libs", "elasticmq-server_2.13-"+elasticMQVersion+".jar"), nil, 0o600),
	); err != nil {
		t.Fatal(err)
	}
	var progress strings.Builder

	for range 2 { // the second time nothing is missing
		if err := Prepare(t.Context(), cache, &progress, Redis, ElasticMQ); err != nil {
			t.Fatal(err)
		}
	}

	const apt = "noninteractive -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "
	want := apt + "update\n" + apt + "install -y --no-install-recommends openjdk-17-jre-headless redis-server\n"
	if got, err := os.ReadFile(calls); err != nil || string(got) != want {
		t.Errorf("apt-get was called with\n%s%v, want\n%s", got, err, want)
	}
	if got, want := progress.String(), "apt-get install openjdk-17-jre-headless redis-server\n"; got != want {
		t.Errorf("got the progress %q, want %q", got, want)
	}
}

func TestWhatAptGetSaysIsInTheError(t *testing.T) {
	// not parallel: the path belongs to the process
	bin := t.TempDir()
	for name, script := range map[string]string{
		"apt-get": `echo "E: Unable to locate package $9" >&2; exit 100`,
		"sudo":    `shift; exec /usr/bin/env "$@"`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)

	err := Prepare(t.Context(), t.TempDir(), nil, Redis)

	for _, want := range []string{"redis: redis-server missing: install it (Debian: apt-get install redis-server)", "Unable to locate package redis-server"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
