package sql_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	psql "github.com/beatlabs/patron/async/sql"
)

// What a child of this test binary is told by its environment.
const (
	childRole  = "PATRON_TEST_SQL_ROLE"  // what it does, see child
	childWhere = "PATRON_TEST_SQL_WHERE" // the file of SQLite, or the prefix
	childWhich = "PATRON_TEST_SQL_WHICH" // the dialect, as a number
	childDies  = "PATRON_TEST_SQL_DIES"  // before which of its statements it kills itself; 0: never
)

// crashHeartbeat makes SQLite find out soon that an owner is gone.
const crashHeartbeat = 100 * time.Millisecond

// child is the life of a process that is going to be killed. It says on its standard output what it was promised, or what it did.
func child(role string) int {
	which, _ := strconv.Atoi(os.Getenv(childWhich))
	dies, _ := strconv.ParseInt(os.Getenv(childDies), 10, 64)
	d := &database{dialect: psql.Dialect(which), prefix: os.Getenv(childWhere), faults: &faults{}}
	if err := d.connect(); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	var n atomic.Int64
	d.faults.set(func(query string, _ []driver.NamedValue) error {
		if strings.Contains(query, "owners") { // of the heartbeat, which comes when it comes
			return nil
		}
		if n.Add(1) == dies {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	})
	if err := childRoles[role](d); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

var childRoles = map[string]func(d *database) error{
	// publish says which messages it was promised are there.
	"publish": func(d *database) error {
		q, err := psql.New(d.db, d.dialect, "orders", psql.WithPrefix(d.prefix))
		if err != nil {
			return err
		}
		p := q.Producer()
		late := withID("d", "k")
		late.Due = time.Now().Add(50 * time.Millisecond)
		for _, mm := range [][]*async.Message{{withID("a", "k"), withID("b", ""), withID("c", "other")}, {late}, {withID("e", "k")}} {
			if err := p.Send(context.Background(), mm...); err != nil {
				return err
			}
			for _, m := range mm {
				fmt.Println(m.ID)
			}
		}
		tx, err := d.db.Begin()
		if err != nil {
			return err
		}
		if err := q.Publish(context.Background(), tx, withID("f", "k"), withID("g", "")); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		fmt.Println("f")
		fmt.Println("g")
		return nil
	},
	// consume says what it is done with, before it says so to the database.
	"consume": func(d *database) error {
		ctx := context.Background()
		q, err := psql.New(d.db, d.dialect, "orders", psql.WithPrefix(d.prefix), psql.WithHeartbeat(crashHeartbeat))
		if err != nil {
			return err
		}
		c, err := q.Create(ctx)
		if err != nil {
			return err
		}
		retried := false
		for done := 0; done < 7; {
			mm, err := c.Receive(ctx, 3)
			if err != nil {
				return err
			}
			ss := make([]async.Settlement, len(mm))
			for i, m := range mm {
				ss[i].Message = m
				switch {
				case m.ID == "b":
					ss[i].Verdict, ss[i].Cause = async.Reject, errInjected
					ss[i].Written = func(context.Context) error { fmt.Println("b"); return nil }
				case m.ID == "c":
					ss[i].Verdict, ss[i].Cause = async.Reject, errInjected
				case m.ID == "d" && !retried:
					ss[i].Verdict, retried = async.Retry, true
					done--
				default:
					fmt.Println(m.ID)
				}
				done++
			}
			if err := c.Settle(ctx, ss); err != nil {
				return err
			}
		}
		return c.Close(ctx)
	},
	// late takes messages, says which, and settles them when it is told to. It says what became of each.
	"late": func(d *database) error {
		q, err := psql.New(d.db, d.dialect, "orders", psql.WithPrefix(d.prefix))
		if err != nil {
			return err
		}
		c, err := q.Create(context.Background())
		if err != nil {
			return err
		}
		var ss []async.Settlement
		for len(ss) < 4 {
			mm, err := c.Receive(context.Background(), 4-len(ss))
			if err != nil {
				return err
			}
			for _, m := range mm {
				fmt.Println(m.ID)
				ss = append(ss, async.Settlement{Message: m, Verdict: []async.Verdict{async.Ack, async.Retry, async.Release, async.Reject}[len(ss)], Cause: errInjected})
			}
		}
		if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
			return err
		}
		if err := c.Settle(context.Background(), ss); err != nil {
			return err
		}
		for _, s := range ss {
			fmt.Println(errors.Is(s.Err, async.ErrLost))
		}
		return c.Close(context.Background())
	},
	// hold takes messages, says so, and waits for its end.
	"hold": func(d *database) error {
		q, err := psql.New(d.db, d.dialect, "orders", psql.WithPrefix(d.prefix))
		if err != nil {
			return err
		}
		c, err := q.Create(context.Background())
		if err != nil {
			return err
		}
		mm, err := c.Receive(context.Background(), 10)
		if err != nil {
			return err
		}
		fmt.Println(len(mm))
		select {}
	},
}

func withID(id, key string) *async.Message {
	return &async.Message{ID: id, Key: []byte(key), Data: []byte(id)}
}

// command starts this binary as a child on d.
func command(d *database, role string, dies int) *exec.Cmd {
	where := d.prefix
	if d.dialect == psql.SQLite {
		where = d.file
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childWhere+"="+where, childWhich+"="+strconv.Itoa(int(d.dialect)), childDies+"="+strconv.Itoa(dies))
	return cmd
}

// life runs a child to its end. It returns what it said, and whether it killed itself.
func life(t *testing.T, d *database, role string, dies int) (said []string, killed bool) {
	t.Helper()
	out, err := command(d, role, dies).Output()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && (!ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
		t.Fatalf("child %s: %v\n%s", role, err, out)
	}
	return strings.Fields(string(out)), err != nil
}

// mostPoints is more than a role has statements.
const mostPoints = 200

func TestWhatWasConfirmedIsThereHoweverThePublisherDies(t *testing.T) {
	t.Parallel()
	onEachNew(t, func(t *testing.T, open maker) {
		t.Helper()
		points := 0
		for killed := true; killed && points < mostPoints; {
			d := open(t)
			points++
			var confirmed []string
			confirmed, killed = life(t, d, "publish", points)
			c := consume(t, d.queue(t, "orders"))
			got := drain(t, d, c)
			for _, id := range confirmed {
				if !slices.Contains(got, id) {
					t.Errorf("killed before statement %d: %q was confirmed, got %v", points, id, got)
				}
			}
			if slices.Contains(got, "a") != slices.Contains(got, "b") || slices.Contains(got, "a") != slices.Contains(got, "c") ||
				slices.Contains(got, "f") != slices.Contains(got, "g") {
				t.Errorf("killed before statement %d: half of a transaction is there: %v", points, got)
			}
			c.Close(context.Background())
			d.drop()
		}
		if points < 8 || points == mostPoints {
			t.Errorf("the publisher died at %d points, want one for each of its statements", points-1)
		}
	})
}

// drain acknowledges everything that is there, and returns the IDs.
func drain(t *testing.T, d *database, c *consumer) []string {
	t.Helper()
	var got []string
	await(t, "everything is received", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		mm, err := c.Receive(ctx, 10)
		if err == nil {
			c.ack(mm...)
			for _, m := range mm {
				got = append(got, m.ID)
			}
		}
		return d.number(t, "SELECT (SELECT count(*) FROM @messages) + (SELECT count(*) FROM @held)") == 0
	})
	return got
}

func TestNothingIsLostHoweverTheConsumerDies(t *testing.T) {
	t.Parallel()
	onEachNew(t, func(t *testing.T, open maker) {
		t.Helper()
		points := 0
		for killed := true; killed && points < mostPoints; {
			d := open(t)
			q := d.queue(t, "orders", psql.WithHeartbeat(crashHeartbeat))
			send(t, q.Producer(), withID("a", "k"), withID("b", ""), withID("c", "other"), withID("d", "k"), withID("e", "k"), withID("f", ""), withID("g", "k"))
			points++
			var done []string
			done, killed = life(t, d, "consume", points)
			c := consume(t, q)
			left := drain(t, d, c)
			letters := 0
			for l, err := range q.DeadLetters().List(t.Context(), async.DeadFilter{}) {
				if err != nil {
					t.Fatal(err)
				}
				letters++
				done = append(done, l.Message.ID)
			}
			for _, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
				if !slices.Contains(done, id) && !slices.Contains(left, id) {
					t.Errorf("killed before statement %d: %q is lost: done %v, left %v", points, id, done, left)
				}
			}
			if letters > 2 {
				t.Errorf("killed before statement %d: %d dead letters of 2 messages", points, letters)
			}
			ofKey := slices.DeleteFunc(slices.Clone(left), func(id string) bool { return !slices.Contains([]string{"a", "d", "e", "g"}, id) })
			if !slices.IsSorted(ofKey) {
				t.Errorf("killed before statement %d: the rest of the key came as %v", points, ofKey)
			}
			c.Close(context.Background())
			d.drop()
		}
		if points < 10 || points == mostPoints {
			t.Errorf("the consumer died at %d points, want one for each of its statements", points-1)
		}
	})
}

func TestTheMessagesOfAKilledConsumerComeWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		q := d.queue(t, "orders")
		send(t, q.Producer(), message("k", "1"), message("k", "2"), message("", "3"))
		cmd := command(d, "hold", 0)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if said, err := bufio.NewReader(out).ReadString('\n'); strings.TrimSpace(said) == "0" || err != nil {
			t.Fatalf("the child said %q, %v: %s", said, err, stderr.String())
		}

		killed := time.Now()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		c := consume(t, q)
		mm := c.take(1)

		if took := time.Since(killed); took > 5*time.Second {
			t.Errorf("it took %v until the messages came again, want at most 5 s", took)
		} else {
			t.Logf("the messages came again after %v", took)
		}
		for _, m := range mm {
			if m.Attempt > 1 || m.Deliveries > 2 {
				t.Errorf("message %s: got attempt %d, delivery %d", m.Data, m.Attempt, m.Deliveries)
			}
		}
	})
}

// A process that is stopped, by a debugger, a laptop that is shut or a virtual machine that is moved, does not know that it was.
func TestAProcessThatWasStoppedSettlesTooLateAndNothingIsLost(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, d *database) {
		t.Helper()
		q := d.queue(t, "orders")
		send(t, q.Producer(), withID("a", "k"), withID("b", "k"), withID("c", "k"), withID("d", "k"))
		cmd := command(d, "late", 0)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Wait()
		defer cmd.Process.Kill()
		out := bufio.NewScanner(stdout)
		say := func(n int) (said []string) {
			for len(said) < n && out.Scan() {
				said = append(said, out.Text())
			}
			return said
		}
		if said := say(4); !slices.Equal(said, []string{"a", "b", "c", "d"}) {
			t.Fatalf("the child said %v", said)
		}
		c := consume(t, q)
		await(t, "it is stopped outside of a transaction", func() bool {
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			short, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := d.direct.ExecContext(short, d.text("UPDATE @owners SET process = process"))
			if err != nil {
				cmd.Process.Signal(syscall.SIGCONT)
			}
			return err == nil
		})

		var got []string
		for len(got) < 3 { // the last one is kept while the child goes on
			mm := c.take(1)
			c.ack(mm...)
			for _, m := range mm {
				got = append(got, m.ID)
				if m.Attempt != 1 || m.Deliveries != 2 {
					t.Errorf("message %s: got attempt %d, delivery %d, want 1 and 2", m.ID, m.Attempt, m.Deliveries)
				}
			}
		}
		held := c.take(1)
		send(t, q.Producer(), withID("e", "k"))
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		if _, err := stdin.Write([]byte("go on\n")); err != nil {
			t.Fatal(err)
		}

		if said := say(4); !slices.Equal(said, []string{"true", "true", "true", "true"}) {
			t.Errorf("late settlements were refused: %v, want all", said)
		}
		c.ack(held...)
		got = append(got, held[0].ID)
		last := c.take(1)
		c.ack(last...)
		got = append(got, last[0].ID)
		if err := cmd.Wait(); err != nil {
			t.Errorf("child: %v", err)
		}
		if !slices.Equal(got, []string{"a", "b", "c", "d", "e"}) {
			t.Errorf("got %v, want each once, in order", got)
		}
		if n := d.number(t, "SELECT (SELECT count(*) FROM @messages) + (SELECT count(*) FROM @dead)"); n != 0 {
			t.Errorf("%d messages or dead letters are left, want none", n)
		}
	})
}
