package inbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/beatlabs/patron/async"
	"go.uber.org/goleak"
)

// childVariable tells this program that it is a child, and what it is to do.
const childVariable = "PATRON_TEST_INBOX_CHILD"

// job is what a child does.
type job struct {
	Place place
	IDs   []string
	// Stop is where the child says that it is there, and waits to be killed: nowhere, or between these steps.
	Stop string
}

const (
	beforeCommit = "between effect and commit"
	afterCommit  = "between commit and settlement"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		if err := work(context.Background(), text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// work is what a child does.
func work(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	db, err := j.Place.open()
	if err != nil {
		return err
	}
	defer db.Close()
	in, err := j.Place.newInbox("c")
	if err != nil {
		return err
	}
	hang := func(where string) error {
		if j.Stop == where {
			fmt.Println("there")
			select {}
		}
		return nil
	}
	for _, id := range j.IDs {
		for {
			err := j.Place.effect(ctx, db, in, &async.Message{ID: id}, func() error { return hang(beforeCommit) })
			if errors.Is(err, async.ErrDuplicate) {
				break
			}
			if err == nil {
				if err := hang(afterCommit); err != nil {
					return err
				}
				break
			}
			fmt.Fprintln(os.Stderr, err) // a deadlock, for instance: an engine tries again
		}
	}
	return nil
}

// child starts a child that does j.
func child(t *testing.T, j *job) (*exec.Cmd, io.Reader) {
	t.Helper()
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

func TestAProcessIsKilledAndTheEffectHappensOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		for _, where := range []string{beforeCommit, afterCommit} {
			cmd, out := child(t, &job{Place: d.place, IDs: []string{where}, Stop: where})
			if line, err := bufio.NewReader(out).ReadString('\n'); line != "there\n" {
				t.Fatalf("%s: the child says %q and error %v", where, line, err)
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Errorf("%s: the child ended by itself", where)
			}

			// The broker gives it again.
			err := d.effect(t.Context(), d.db, d.inbox(t, "c"), &async.Message{ID: where}, nil)
			if where == beforeCommit && err != nil || where == afterCommit && !errors.Is(err, async.ErrDuplicate) {
				t.Errorf("%s: got %v", where, err)
			}
		}
		d.once(t, beforeCommit, afterCommit)
	})
}

func TestOfSeveralProcessesOneHasTheEffect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *database) {
		t.Helper()
		const processes, messages = 3, 60
		var ids []string
		for i := range messages {
			ids = append(ids, strconv.Itoa(i))
		}
		var children []*exec.Cmd
		for range processes {
			cmd, _ := child(t, &job{Place: d.place, IDs: ids})
			children = append(children, cmd)
		}
		for _, cmd := range children {
			if err := cmd.Wait(); err != nil {
				t.Errorf("child: %v", err)
			}
		}
		d.once(t, ids...)
	})
}
