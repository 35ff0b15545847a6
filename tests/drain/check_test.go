package drain

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// faultless is a run of which nothing is wrong: three customers, one of them with two orders and a repetition.
func faultless() evidence {
	first := &order{invoice: "100", customer: "ann"}
	second := &order{invoice: "101", customer: "ann"}
	manual := &order{invoice: "102", customer: "bob", person: true}
	faulty := &order{invoice: "C103", customer: "bob", refused: true}
	late := &order{invoice: "104", customer: "eve"}
	unread := &order{invoice: "105", customer: "eve"}
	at := func(o *order, sent, ended int64, status int) posting {
		p := posting{order: o, sent: sent, ended: ended, reused: true, answer: answer{status: status, location: "/orders/" + o.invoice}}
		p.answer.closes = status == http.StatusServiceUnavailable
		return p
	}
	again := at(first, 7, 8, http.StatusOK)
	again.repeated = true
	return evidence{
		postings: []posting{
			at(first, 1, 3, http.StatusAccepted),
			at(manual, 2, 4, http.StatusAccepted),
			at(second, 5, 6, http.StatusAccepted),
			again,
			at(faulty, 9, 10, http.StatusUnprocessableEntity),
			at(late, 12, 13, http.StatusServiceUnavailable),
			{order: unread, sent: 14, ended: 15, fate: reset, err: io.EOF},
			{order: unread, sent: 16, ended: 17, fate: refused, err: io.EOF},
		},
		stopping: 11,
		effects: []byte(effectLine("102", "bob", "dead", 1) + effectLine("100", "ann", "processed", first.attempts()) +
			effectLine("101", "ann", "processed", second.attempts())),
	}
}

func effectLine(invoice, customer, outcome string, attempts int) string {
	return fmt.Sprintf(`{"invoice":%q,"customer":%q,"outcome":%q,"attempts":%d,"time":"2026-01-02T03:04:05.678901234Z"}`+"\n",
		invoice, customer, outcome, attempts)
}

func TestFaultlessRunIsClean(t *testing.T) {
	t.Parallel()

	ev := faultless()

	if errs := ev.check(); errs != nil {
		t.Errorf("got %v, want no violation", errs)
	}
}

// A checker that finds nothing proves nothing: each of these must be found, and alone.
func TestCheckerFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	lines := func(ev *evidence) []string { return slices.Collect(strings.Lines(string(ev.effects))) }
	join := func(ev *evidence, lines ...string) { ev.effects = []byte(strings.Join(lines, "")) }
	swap := func(old, now string) func(*evidence) {
		return func(ev *evidence) { ev.effects = []byte(strings.Replace(string(ev.effects), old, now, 1)) }
	}
	tests := map[string]struct {
		plant func(*evidence)
		want  string
	}{
		"missing line": {
			func(ev *evidence) { join(ev, lines(ev)[:2]...) },
			`order 101 of customer "ann" was accepted and has 0 effects, want 1`,
		},
		"no line at all": {
			func(ev *evidence) { ev.effects, ev.postings = nil, ev.postings[:1] },
			`order 100 of customer "ann" was accepted and has 0 effects, want 1`,
		},
		"double line": {
			func(ev *evidence) { join(ev, append(lines(ev), lines(ev)[0])...) },
			`order 102 of customer "bob" was accepted and has 2 effects, want 1`,
		},
		"order swapped": {
			func(ev *evidence) { l := lines(ev); join(ev, l[0], l[2], l[1]) },
			`the effect of order 100 stands behind that of 101, which was sent after 100 had been accepted`,
		},
		"torn line": {
			func(ev *evidence) {
				ev.postings = ev.postings[:2]
				l := lines(ev)
				join(ev, l[0], l[1], l[2][:20])
			},
			`effects: line 3: torn`,
		},
		"line without its end": {
			func(ev *evidence) {
				ev.postings = slices.Delete(ev.postings, 2, 3)
				join(ev, strings.TrimSuffix(string(ev.effects), "\n"))
			},
			`effects: line 3: torn`,
		},
		"empty line": {
			func(ev *evidence) { join(ev, "\n", string(ev.effects)) },
			`effects: line 1: `,
		},
		"more than an object on a line": {
			func(ev *evidence) { join(ev, "{}", string(ev.effects)); ev.postings = slices.Delete(ev.postings, 1, 2) },
			`effects: line 1: `,
		},
		"field too many": {
			func(ev *evidence) {
				join(ev, string(ev.effects), `{"invoice":"x","customer":"","outcome":"","attempts":1,"time":"","more":1}`+"\n")
			},
			`effects: line 4: fields [attempts customer invoice more outcome time]`,
		},
		"field twice": {
			func(ev *evidence) {
				join(ev, string(ev.effects), strings.Replace(lines(ev)[0], `{`, `{"invoice":"1",`, 1))
			},
			`effects: line 4: fields`,
		},
		"attempts as text": {
			func(ev *evidence) { join(ev, string(ev.effects), strings.Replace(lines(ev)[0], `:1,`, `:"1",`, 1)) },
			`effects: line 4: json`,
		},
		"time that is not in UTC": {
			func(ev *evidence) { join(ev, string(ev.effects), strings.Replace(lines(ev)[0], `Z`, `+00:00`, 1)) },
			`effects: line 4: the time is not in UTC`,
		},
		"wrong outcome":       {swap("dead", "processed"), `order 102: effect`},
		"wrong attempts":      {swap(`"dead","attempts":1`, `"dead","attempts":2`), `order 102: effect`},
		"customer of another": {swap(`"customer":"bob"`, `"customer":"eve"`), `order 102: effect`},
		"effect of nobody's order": {
			func(ev *evidence) { join(ev, string(ev.effects), effectLine("9", "ann", "processed", 1)) },
			`order 9 has an effect and was never posted`,
		},
		"effect of an order that was answered 503": {
			func(ev *evidence) { join(ev, string(ev.effects), effectLine("104", "eve", "processed", 1)) },
			`order 104 has an effect and was not accepted`,
		},
		"effect of an order whose connection was reset": {
			func(ev *evidence) { join(ev, string(ev.effects), effectLine("105", "eve", "processed", 1)) },
			`order 105 has an effect and was not accepted`,
		},
		"cut answer": {
			func(ev *evidence) { ev.postings[5].fate, ev.postings[5].err = cut, io.ErrUnexpectedEOF },
			`order 104 of customer "eve", posted over a connection in use: the answer was cut: unexpected EOF`,
		},
		"no answer on a connection in use": {
			func(ev *evidence) { ev.postings[5].fate, ev.postings[5].err = lost, io.EOF },
			`order 104 of customer "eve", posted over a connection in use: no answer: EOF`,
		},
		"reset before the signal": {
			func(ev *evidence) { ev.stopping, ev.postings = 16, slices.Delete(ev.postings, 5, 6) },
			`order 105 of customer "eve", posted over a new connection: reset before the tour was told to stop`,
		},
		"503 before the signal": {
			func(ev *evidence) { ev.stopping, ev.postings = 14, ev.postings[:6] },
			`status 503 before the tour was told to stop`,
		},
		"503 that does not close": {
			func(ev *evidence) { ev.postings[5].answer.closes = false },
			`status 503 without Connection: close`,
		},
		"500": {
			func(ev *evidence) { ev.postings[4].answer.status = http.StatusInternalServerError },
			`status 500, want 422`,
		},
		"faulty order accepted": {
			func(ev *evidence) {
				ev.postings[4].answer.status = http.StatusAccepted
				join(ev, string(ev.effects), effectLine("C103", "bob", "processed", ev.postings[4].order.attempts()))
			},
			`status 202, want 422`,
		},
		"accepted twice": {
			func(ev *evidence) { ev.postings[3].answer.status = http.StatusAccepted },
			`posted again over a connection in use: status 202, want 200`,
		},
		"no Location": {
			func(ev *evidence) { ev.postings[0].answer.location = "" },
			`status 202 with Location "", want "/orders/100"`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ev := faultless()
			test.plant(&ev)

			errs := ev.check()

			if len(errs) != 1 || !strings.Contains(errs[0].Error(), test.want) {
				t.Errorf("got %q, want one with %q", errs, test.want)
			}
		})
	}
}

func TestOrdersSentSideBySideMayComeInAnyOrder(t *testing.T) {
	t.Parallel()
	ev := faultless()
	ev.postings[2].sent = 3 // the other's 202 came at 3
	lines := slices.Collect(strings.Lines(string(ev.effects)))
	ev.effects = []byte(lines[2] + lines[1] + lines[0])

	if errs := ev.check(); errs != nil {
		t.Errorf("got %v, want no violation", errs)
	}
}
