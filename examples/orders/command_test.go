package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var lastLine = regexp.MustCompile(`^sent=(\d+) accepted=(\d+) refused=(\d+) processed=(\d+) dead=(\d+) retried=(\d+) ` +
	`value=(\d+\.\d\d) lost=(\d+) p50=(\S+) p99=(\S+)\n$`)

// reportOf reads what must be all of standard output.
func reportOf(tb testing.TB, stdout string) Report {
	tb.Helper()
	m := lastLine.FindStringSubmatch(stdout)
	if m == nil {
		tb.Fatalf("standard output: got %q, want the last line alone", stdout)
	}
	var r Report
	for i, n := range map[int]*int{1: &r.Sent, 2: &r.Accepted, 3: &r.Refused, 4: &r.Processed, 5: &r.Dead, 6: &r.Retried, 8: &r.Lost} {
		*n, _ = strconv.Atoi(m[i]) // digits
	}
	n, _ := strconv.ParseUint(strings.Replace(m[7], ".", "", 1), 10, 64)
	r.Value = pence(n)
	for i, d := range map[int]*time.Duration{9: &r.P50, 10: &r.P99} {
		var err error
		if *d, err = time.ParseDuration(m[i]); err != nil {
			tb.Errorf("standard output: %v", err)
		}
	}
	return r
}

// withoutTimes is a report that can be compared.
func withoutTimes(r Report) Report {
	r.P50, r.P99 = 0, 0
	return r
}

// readEffects reads a file that must be whole lines of the contract.
func readEffects(tb testing.TB, path string) []effect {
	tb.Helper()
	content := string(readFile(tb, path))
	if content != "" && !strings.HasSuffix(content, "\n") {
		tb.Errorf("%s does not end with a whole line", path)
	}
	var ee []effect
	for line := range strings.Lines(content) {
		var e effect
		decodeInto(tb, line, &e)
		if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil || !strings.HasSuffix(e.Time, "Z") {
			tb.Errorf("%s: want a time in UTC: %v", line, err)
		}
		ee = append(ee, e)
	}
	return ee
}

// expected is what must become of the orders of a feed: their effects by customer, in order, and the sums.
func expected(tb testing.TB, feed []feedOrder, stockFailures bool) (map[string][]effect, Report) {
	tb.Helper()
	effects, r := make(map[string][]effect), Report{Sent: len(feed)}
	for _, f := range feed {
		var o Order
		if err := json.Unmarshal(f.body, &o); err != nil {
			tb.Fatal(err)
		}
		e := effect{Invoice: o.Invoice, Customer: o.Customer, Outcome: Processed, Attempts: 1}
		switch {
		case o.Validate() != nil:
			r.Refused++
			continue
		case o.NeedsPerson() != "":
			r.Dead++
			e.Outcome = Dead
		default:
			for stockFailures && stockFails(o.Invoice, e.Attempts) {
				e.Attempts++
			}
			r.Processed++
			r.Retried += e.Attempts - 1
			r.Value = r.Value.plus(o.Value())
		}
		r.Accepted++
		effects[o.Customer] = append(effects[o.Customer], e)
	}
	return effects, r
}

func byCustomer(effects []effect) map[string][]effect {
	by := make(map[string][]effect)
	for _, e := range effects {
		e.Time = ""
		by[e.Customer] = append(by[e.Customer], e)
	}
	return by
}

// Both runs also hold that the numbers of the contract, for the orders that are shipped, come out of the whole service.
func TestLoadProcessesEveryOrderOnceAndInOrder(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"stock fails": true, "stock never fails": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			feed, err := shipped()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "effects")
			args := []string{"-load", "-effects", path}
			if !fails {
				args = append(args, "-stock-failures=false")
			}

			code, stdout, stderr := command(t, args...)

			wantEffects, want := expected(t, feed, fails)
			got := reportOf(t, stdout)
			if diff := cmp.Diff(want, withoutTimes(got), cmp.AllowUnexported(Money{})); diff != "" || code != exitClean {
				t.Errorf("exit code %d, report (-want +got):\n%s\n%s", code, diff, stderr)
			}
			if got.Refused != 628 || got.Accepted != 1397 || got.Dead != 23 || got.Processed != 1374 || got.Value.String() != "566353.25" || got.Lost != 0 {
				t.Errorf("got %v, want the numbers of the contract", got)
			}
			if (got.Retried > 0) != fails || got.P50 <= 0 || got.P99 < got.P50 {
				t.Errorf("got %v, retried must be above 0: %t", got, fails)
			}
			if diff := cmp.Diff(wantEffects, byCustomer(readEffects(t, path))); diff != "" {
				t.Errorf("effects by customer (-want +got):\n%s", diff)
			}
		})
	}
}

// smallFeed is a file of n orders of a few customers, the last of them with a fault.
func smallFeed(tb testing.TB, n int) string {
	tb.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintln(&b, bodyOf(tb, fmt.Sprint("L", i), fmt.Sprint("c", i%5), func(o *Order) {
			if i == n-1 {
				o.Customer = ""
			}
		}))
	}
	return b.String()
}

func TestRepeatPostsTheFileWithNewInvoicesAndCustomers(t *testing.T) {
	t.Parallel()
	file := writeFile(t, gzipped(t, smallFeed(t, 41)))
	path := filepath.Join(t.TempDir(), "effects")

	code, stdout, stderr := command(t, "-load", "-orders", file, "-repeat", "3", "-effects", path)

	feed, err := readFeed(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []feedOrder
	for n := range 3 {
		for i := range feed {
			o, err := feed[i].pass(n)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
		}
	}
	wantEffects, want := expected(t, all, true)
	if diff := cmp.Diff(want, withoutTimes(reportOf(t, stdout)), cmp.AllowUnexported(Money{})); diff != "" || code != exitClean || want.Accepted != 120 {
		t.Errorf("exit code %d, report (-want +got):\n%s\n%s", code, diff, stderr)
	}
	if diff := cmp.Diff(wantEffects, byCustomer(readEffects(t, path))); diff != "" {
		t.Errorf("effects by customer (-want +got):\n%s", diff)
	}
}

func TestRateBoundsTheLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects")

	code, stdout, stderr := command(t, "-load", "-orders", writeFile(t, smallFeed(t, 41)), "-rate", "50", "-effects", path)

	if got := reportOf(t, stdout); code != exitClean || got.Sent != 41 || got.Lost != 0 {
		t.Errorf("got exit code %d, %v\n%s", code, got, stderr)
	}
	ee := readEffects(t, path)
	first, _ := time.Parse(time.RFC3339Nano, ee[0].Time)
	last, _ := time.Parse(time.RFC3339Nano, ee[len(ee)-1].Time)
	if took := last.Sub(first); len(ee) != 40 || took < 400*time.Millisecond {
		t.Errorf("got %d effects in %v, want 40 in about 780ms", len(ee), took)
	}
}

func TestSameOrderTwiceInAFileIsAcceptedOnce(t *testing.T) {
	t.Parallel()
	body := bodyOf(t, sound, "ann")

	code, stdout, stderr := command(t, "-load", "-orders", writeFile(t, body+"\n"+body+"\n"))

	if got := reportOf(t, stdout); code != exitClean || got.Sent != 2 || got.Accepted != 1 || got.Processed != 1 {
		t.Errorf("got exit code %d, %v, want 2 sent, 1 accepted\n%s", code, got, stderr)
	}
}

func TestAnswerThatShouldNotBeIsExitCode1(t *testing.T) {
	t.Parallel()
	large := bodyOf(t, "1", "ann", func(o *Order) { o.Lines[0].Description = strings.Repeat("x", 1<<20) })
	tests := map[string]struct{ file, want string }{
		"413": {bodyOf(t, sound, "ann") + "\n" + large + "\n", `order "1": status 413`},
		"409": {bodyOf(t, sound, "ann") + "\n" + bodyOf(t, sound, "ann", manual) + "\n", `order "F0": status 409`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			code, stdout, stderr := command(t, "-load", "-orders", writeFile(t, test.file))

			if got := reportOf(t, stdout); code != exitLost || got.Sent != 2 || got.Accepted != 1 || got.Lost != 0 {
				t.Errorf("got exit code %d, %v, want 1, 2 sent, 1 accepted", code, got)
			}
			if !strings.Contains(stderr, test.want) {
				t.Errorf("standard error: got\n%s\nwant %q in it", stderr, test.want)
			}
		})
	}
}

func TestBadFlagsAndFilesAreExitCode2(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown flag":     {[]string{"-fast"}, "-fast"},
		"bad value":        {[]string{"-load", "-rate", "-3"}, "-rate -3"},
		"missing file":     {[]string{"-load", "-orders", "/nowhere"}, "/nowhere"},
		"bad line":         {[]string{"-load", "-orders", writeFile(t, "{}\n{}\noops\n")}, "line 3"},
		"bad line, packed": {[]string{"-load", "-orders", writeFile(t, gzipped(t, "{}\noops\n"))}, "line 2"},
		"effects":          {[]string{"-effects", "/nowhere/effects"}, "effects: "},
		"traces":           {[]string{"-load", "-traces", "/nowhere/traces"}, "traces: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			code, stdout, stderr := command(t, test.args...)

			if code != exitUsage || stdout != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("got exit code %d, standard output %q, standard error\n%s\nwant 2, nothing, and %q", code, stdout, stderr, test.want)
			}
		})
	}
}

func TestHelpIsNoError(t *testing.T) {
	t.Parallel()

	code, stdout, stderr := command(t, "-h")

	if code != exitClean || stdout != "" || !strings.Contains(stderr, "-stock-failures") {
		t.Errorf("got exit code %d, standard output %q, standard error\n%s", code, stdout, stderr)
	}
}

func TestSignalEndsALoadWithoutLoss(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "Ctrl-C": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "effects")
			tour := startTour(t, nil, "-load", "-rate", "300", "-repeat", "1000", "-effects", path)

			tour.await(" orders answered, ") // a line of progress: it is in the middle
			tour.signal(signal)
			code, stdout, stderr := tour.wait()

			got := reportOf(t, stdout)
			if code != exitClean || got.Sent == 0 || got.Lost != 0 || got.Accepted != got.Processed+got.Dead {
				t.Errorf("got exit code %d, %v, want 0, some sent and none lost\n%s", code, got, stderr)
			}
			if ee := readEffects(t, path); len(ee) != got.Accepted {
				t.Errorf("got %d effects, want %d", len(ee), got.Accepted)
			}
		})
	}
}

func TestSignalEndsTheServiceWithoutLoss(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "effects")
	for i, signal := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		tour := startTour(t, nil, "-effects", path)
		url := tour.url()
		for _, invoice := range []string{sound, failing, failingTwice} {
			resp, err := http.Post(url+"/orders", "application/json", strings.NewReader(bodyOf(t, invoice, "ann")))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				t.Errorf("order %s: status %d", invoice, resp.StatusCode)
			}
		}
		http.DefaultClient.CloseIdleConnections()

		tour.signal(signal)
		code, stdout, stderr := tour.wait()

		if code != exitClean || stdout != "" {
			t.Errorf("%v: got exit code %d, standard output %q\n%s", signal, code, stdout, stderr)
		}
		if n := strings.Count(stderr, "curl -sS"); n != 3 {
			t.Errorf("%v: got %d lines with curl on standard error, want 3", signal, n)
		}
		var got []string
		for _, e := range readEffects(t, path)[3*i:] {
			got = append(got, fmt.Sprint(e.Invoice, " ", e.Outcome, " ", e.Attempts))
		}
		if diff := cmp.Diff([]string{"F0 processed 1", "F21 processed 2", "F180 processed 3"}, got); diff != "" {
			t.Errorf("%v: effects (-want +got):\n%s", signal, diff)
		}
	}
}

func TestEffectsThatCannotBeWrittenAreExitCode1(t *testing.T) {
	t.Parallel()
	grace := []string{"PATRON_GRACE_PERIOD=100ms"}
	t.Run("service", func(t *testing.T) {
		t.Parallel()
		tour := startTour(t, grace, "-effects", "/dev/full")
		resp, err := http.Post(tour.url()+"/orders", "application/json", strings.NewReader(bodyOf(t, sound, "ann")))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()

		tour.signal(syscall.SIGTERM)
		code, stdout, stderr := tour.wait()

		if code != exitLost || stdout != "" || !strings.Contains(stderr, "1 messages left") {
			t.Errorf("got exit code %d, standard output %q, want 1 and the order counted\n%s", code, stdout, stderr)
		}
	})
	t.Run("load", func(t *testing.T) {
		t.Parallel()
		tour := startTour(t, grace, "-load", "-orders", writeFile(t, smallFeed(t, 11)), "-effects", "/dev/full")

		tour.await("11 of 11 orders answered")
		tour.signal(syscall.SIGTERM)
		code, stdout, stderr := tour.wait()

		want := Report{Sent: 11, Accepted: 10, Refused: 1, Lost: 10}
		if got := withoutTimes(reportOf(t, stdout)); got != want || code != exitLost || !strings.Contains(stderr, "10 orders lost") {
			t.Errorf("got exit code %d, %v, want 1, %v\n%s", code, got, want, stderr)
		}
	})
}

func TestPortThatIsTakenIsNamed(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {"-load"}} {
		code, stdout, stderr := startTour(t, []string{"PATRON_HTTP_DEFAULT_PORT=" + port}, args...).wait()

		if code != exitLost || !strings.Contains(stderr, l.Addr().String()) {
			t.Errorf("%v: got exit code %d, standard output %q, want 1 and the address named\n%s", args, code, stdout, stderr)
		}
	}
}
