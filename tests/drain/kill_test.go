package drain

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

var (
	flagKills  = flag.Int("kills", 5, "kill the tour `N` times")
	flagBroker = flag.String("broker", "", "what -broker of the killed tour gets; empty: its default")
)

// It is not parallel: the tests of the checker need not share the machine with it.
func TestTourKilledUnderLoadLosesNothing(t *testing.T) { //nolint:paralleltest // see above
	if testing.Short() {
		t.Skip("it takes some seconds a run")
	}
	binary, items := buildTour(t), shipped(t)
	seed := *flagSeed
	if seed == 0 {
		seed = uint64(rand.Uint32()) + 1
	}
	var total tally
	clean := 0
	for i := range *flagKills {
		p := newPlan(seed + uint64(i))
		did, err := runKilled(t.Context(), p, binary, t.TempDir(), *flagBroker, items)
		total.add(did)
		if err == nil {
			clean++
			continue
		}
		t.Errorf("%s: %v\nto see it again: go test -count=1 -run Killed -args -kills 1 -seed %d", p.killString(), abridged(err), p.seed)
	}
	fmt.Printf("kill: %d of %d runs clean, %d accepted (seed %d)\n", clean, *flagKills, total.accepted, seed)
	if *flagKills > 0 && total.accepted == 0 {
		t.Error("no order was accepted in any run: the load does not reach the tour")
	}
}

// twoLives is a tour that was killed, of which nothing is wrong: three customers, one order posted again and one line written twice.
func twoLives() (killed, string) {
	first := &order{invoice: "100", customer: "ann", pence: 1050}
	second := &order{invoice: "101", customer: "ann", pence: 250}
	manual := &order{invoice: "102", customer: "bob", person: true, pence: 999}
	faulty := &order{invoice: "C103", customer: "bob", refused: true}
	at := func(o *order, sent, ended int64, status int) posting {
		return posting{order: o, sent: sent, ended: ended, answer: answer{status: status}}
	}
	lines := effectLine("102", "bob", "dead", 1) + effectLine("100", "ann", "processed", first.attempts())
	return killed{
		postings: []posting{
			at(first, 1, 3, http.StatusAccepted), at(manual, 2, 4, http.StatusAccepted), at(faulty, 5, 6, http.StatusUnprocessableEntity),
			{order: second, sent: 7, ended: 8, fate: lost, err: io.EOF},
			at(second, 9, 10, http.StatusOK),
		},
		summary: summary{Accepted: 3, Processed: 2, Dead: 1, Value: "13.00"},
	}, lines + effectLine("102", "bob", "dead", 1) + effectLine("101", "ann", "processed", second.attempts()+1)
}

func TestKilledTourWithoutFaultIsClean(t *testing.T) {
	t.Parallel()
	k, effects := twoLives()
	if errs := k.check([]byte(effects)); errs != nil {
		t.Errorf("got %v, want no violation", errs)
	}
}

func TestKillCheckerFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	for want, plant := range map[string]func(k *killed, effects string) string{
		`order 100 of customer "ann" was accepted and has no effect`: func(_ *killed, effects string) string {
			return strings.Replace(effects, effectLine("100", "ann", "processed", 1), "", 1)
		},
		`order 102 has the effects`: func(_ *killed, effects string) string {
			return strings.Replace(effects, `"dead","attempts":1,"time":"2026-01-02T03:04:05.678901234Z"`, `"dead","attempts":1,"time":"2026-01-02T03:04:06Z"`, 1)
		},
		`order 100 of customer "ann": effect`: func(_ *killed, effects string) string {
			return strings.Replace(effects, `"100","customer":"ann","outcome":"processed"`, `"100","customer":"ann","outcome":"dead"`, 1)
		},
		`order 999 has an effect and was not accepted`: func(_ *killed, effects string) string { return effects + effectLine("999", "eve", "processed", 1) },
		`summary: got {Accepted:3 Waiting:0 Processing:0 Processed:3 Dead:1 Value:13.00}`: func(k *killed, effects string) string {
			k.summary.Processed++
			return effects
		},
		`Value:23.50}, want`: func(k *killed, effects string) string {
			k.summary.Value = "23.50"
			return effects
		},
		`Waiting:1 Processing:0`: func(k *killed, effects string) string {
			k.summary.Waiting++
			return effects
		},
		`torn: it has no end`: func(_ *killed, effects string) string { return effects + `{"invoice":"1` },
		`the effect of order 100 stands behind that of 101`: func(_ *killed, effects string) string {
			line := effectLine("100", "ann", "processed", 1)
			return strings.Replace(effects, line, "", 1) + line
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			k, effects := twoLives()
			planted := plant(&k, effects)
			if got := fmt.Sprint(errors.Join(k.check([]byte(planted))...)); !strings.Contains(got, want) {
				t.Errorf("got %s, want %q in it", got, want)
			}
		})
	}
}
