package main

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/async"
	"github.com/google/go-cmp/cmp"
)

func openTestStore(tb testing.TB, path string, effects *Effects) *store {
	tb.Helper()
	db, err := openSQLite(tb.Context(), path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	s, err := openStore(tb.Context(), db, "orders", effects)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func count(tb testing.TB, s *store, table string) int {
	tb.Helper()
	var n int
	if err := s.db.QueryRowContext(tb.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
		tb.Fatal(err)
	}
	return n
}

// take accepts an order of a customer.
func take(tb testing.TB, s *store, invoice, customer string) (*Order, *async.Message) {
	tb.Helper()
	o := goodOrder()
	o.Invoice, o.Customer = invoice, customer
	data, digest, err := o.encode()
	if err != nil {
		tb.Fatal(err)
	}
	msg := &async.Message{ID: "m" + invoice, Key: []byte(customer), Data: data, Attempt: 1}
	if err := s.Accept(tb.Context(), o, digest, msg); err != nil {
		tb.Fatal(err)
	}
	return o, msg
}

func TestAnOrderAndItsMessageAreOneTransaction(t *testing.T) {
	t.Parallel()
	s := openTestStore(t, filepath.Join(t.TempDir(), "db"), nil)
	take(t, s, "1", "ann")
	o := goodOrder()
	o.Invoice = "2"

	err := s.Accept(t.Context(), o, sha256.Sum256(nil), &async.Message{Due: time.Now().AddDate(1000, 0, 0)})

	if err == nil || !strings.HasPrefix(err.Error(), "order 2: accept: ") {
		t.Errorf("got %v, want the order and that its message cannot be", err)
	}
	if orders, messages := count(t, s, "shop_orders"), count(t, s, "patron_messages"); orders != 1 || messages != 1 {
		t.Errorf("got %d orders and %d messages, want one each", orders, messages)
	}
}

func TestAnOrderWhoseCommitNobodyKnewOfIsTakenOnce(t *testing.T) {
	t.Parallel()
	s := openTestStore(t, filepath.Join(t.TempDir(), "db"), nil)
	o, msg := take(t, s, "1", "ann")
	_, digest, _ := o.encode()

	if err := s.Accept(t.Context(), o, digest, msg); err != nil {
		t.Errorf("the same again: got %v, want nil", err)
	}
	if err := s.Accept(t.Context(), o, sha256.Sum256([]byte("other")), msg); !errors.Is(err, errDifferent) {
		t.Errorf("other content: got %v, want %v", err, errDifferent)
	}
	if n := count(t, s, "patron_messages"); n != 1 {
		t.Errorf("got %d messages, want 1", n)
	}
}

func TestAnEffectIsFinishedOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects")
	s := openTestStore(t, filepath.Join(t.TempDir(), "db"), openEffects(t, path))
	o, msg := take(t, s, "1", "ann")
	first := Outcome{Status: Processed, Attempts: 2, At: time.Now().UTC()}

	for i, outcome := range []Outcome{first, {Status: Processed, Attempts: 3, At: time.Now()}, {Status: Dead, Attempts: 4, Cause: "late", At: time.Now()}} {
		got, err := s.Finish(t.Context(), msg, o, outcome)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("finish %d (-want +got):\n%s", i, diff)
		}
	}
	if got := readEffects(t, path); len(got) != 1 || got[0].Attempts != 2 {
		t.Errorf("effects: got %+v, want the first alone", got)
	}
}

func TestAStoreFillsTheBookAsTheLastProcessLeftIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "db")
	s := openTestStore(t, path, openEffects(t, ""))
	orders, messages := map[string]*Order{}, map[string]*async.Message{}
	for _, invoice := range []string{"1", "2", "3", "4"} {
		orders[invoice], messages[invoice] = take(t, s, invoice, "ann")
	}
	for invoice, outcome := range map[string]Outcome{"3": {Status: Processed, Attempts: 3, At: time.Now()}} {
		if _, err := s.Finish(t.Context(), messages[invoice], orders[invoice], outcome); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Finish(t.Context(), messages["1"], orders["1"], Outcome{Status: Dead, Attempts: 1, Cause: "manual", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}

	b := NewBook(nil)
	if err := openTestStore(t, path, openEffects(t, "")).Load(t.Context(), b); err != nil {
		t.Fatal(err)
	}

	if diff := cmp.Diff([]string{"3 processed", "1 dead", "2 accepted", "4 accepted"}, invoices(b.Orders("ann"))); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	if got, want := b.Summary(), (Summary{Accepted: 4, Waiting: 2, Processed: 1, Dead: 1, Retried: 2, Value: "35.64"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if v, _ := b.Order("1"); v.Cause != "manual" {
		t.Errorf("got %+v, want the cause", v)
	}
}

func TestAnOrderOfAnotherShopIsAdopted(t *testing.T) {
	t.Parallel()
	s := openTestStore(t, filepath.Join(t.TempDir(), "db"), openEffects(t, ""))
	outcome := Outcome{Status: Processed, Attempts: 1, At: time.Now().UTC()}

	got, err := s.Finish(t.Context(), &async.Message{ID: "m"}, goodOrder(), outcome)

	if err != nil || got != outcome || count(t, s, "shop_orders") != 1 {
		t.Errorf("got %+v, %v, want it to be finished like any other", got, err)
	}
}

func TestALineThatAKilledProcessWroteIsNotWrittenAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects")
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	o := goodOrder()
	before := openEffects(t, path)
	if err := before.Write(o, Outcome{Status: Processed, Attempts: 2, At: at}); err != nil {
		t.Fatal(err)
	}
	writeTail(t, path, `{"invoice":"torn","cust`)

	e := openEffects(t, path)
	if err := e.Recover(func(invoice string) bool { return invoice == o.Invoice }); err != nil {
		t.Fatal(err)
	}
	got, err := e.WriteOnce(o, Outcome{Status: Processed, Attempts: 3, At: time.Now()})
	if want := (Outcome{Status: Processed, Attempts: 2, At: at}); err != nil || got != want {
		t.Errorf("got %+v, %v, want what the line says, %+v", got, err, want)
	}
	if ee := readEffects(t, path); len(ee) != 1 {
		t.Errorf("got %+v, want one line, and the torn one cut off", ee)
	}
	e.Forget(o.Invoice)
	if got, err := e.WriteOnce(o, Outcome{Status: Processed, Attempts: 3, At: at}); err != nil || got.Attempts != 3 {
		t.Errorf("after Forget: got %+v, %v, want a new line", got, err)
	}
}

func TestATornLineIsCutOffWhereverItBegins(t *testing.T) {
	t.Parallel()
	whole := strings.Repeat("x", 100) + "\n"
	for name, content := range map[string]string{
		"none": "", "whole": whole, "torn": whole + "abc", "nothing but torn": "abc",
		"longer than a block": whole + strings.Repeat("y", 200<<10), "many": strings.Repeat(whole, 3000) + "z",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "effects")
			writeTail(t, path, content)
			openEffects(t, path)
			want := content[:strings.LastIndex(content, "\n")+1]
			if got := string(readFile(t, path)); got != want {
				t.Errorf("got %d bytes, want the first %d of %d", len(got), len(want), len(content))
			}
		})
	}
}

// writeTail appends text to a file.
func writeTail(tb testing.TB, path, text string) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
}
