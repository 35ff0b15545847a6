package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/beatlabs/patron/async"
	phttp "github.com/beatlabs/patron/component/http"
	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
)

// fakeProducer is a broker of which each send does what the test says.
type fakeProducer struct {
	send func(ctx context.Context, msg *async.Message) error
}

func (p *fakeProducer) Send(ctx context.Context, mm ...*async.Message) error {
	return p.send(ctx, mm[0])
}

func (p *fakeProducer) Close(context.Context) error { return nil }

// recorder keeps an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// door is the public side before a broker that is none.
type door struct {
	tb       testing.TB
	book     *Book
	producer *fakeProducer
	server   *phttp.Component
}

func newDoor(tb testing.TB) *door {
	tb.Helper()
	d := &door{tb: tb, book: NewBook(nil), producer: &fakeProducer{send: func(context.Context, *async.Message) error { return nil }}}
	var err error
	d.server, err = phttp.New(phttp.WithRoutesBuilder((&counter{book: d.book, journal: &volatileJournal{producer: d.producer}}).routes()))
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func (d *door) post(body string) reply {
	d.tb.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(d.tb.Context()), http.MethodPost, "/orders", strings.NewReader(body))
	if err != nil {
		d.tb.Fatal(err)
	}
	rec := &recorder{header: make(http.Header), status: http.StatusOK}
	d.server.ServeHTTP(rec, req)
	return reply{rec.status, rec.header, rec.body.String()}
}

// problem is an answer that says what is wrong.
type problem struct {
	Status int           `json:"status"`
	Detail string        `json:"detail"`
	Errors []psync.Fault `json:"errors"`
}

// problemOf reads an answer that must be a problem of this status.
func problemOf(tb testing.TB, r reply, status int) problem {
	tb.Helper()
	var p problem
	if err := json.Unmarshal([]byte(r.body), &p); err != nil || r.status != status || p.Status != status ||
		r.header.Get("Content-Type") != "application/problem+json" {
		tb.Errorf("got %d %q: %s, want a problem with status %d", r.status, r.header.Get("Content-Type"), r.body, status)
	}
	return p
}

func TestOrderIsTakenOnceTheBrokerHasIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(t)
		confirmed := make(chan struct{})
		d.producer.send = func(context.Context, *async.Message) error {
			<-confirmed
			return nil
		}
		answers := make(chan reply, 1)
		go func() { answers <- d.post(bodyOf(t, "1", "ann")) }()

		synctest.Wait()
		if _, ok := d.book.Order("1"); ok || len(answers) > 0 {
			t.Errorf("the order exists: %t, %d answers, before the broker has it", ok, len(answers))
		}
		close(confirmed)

		r := <-answers
		if r.status != http.StatusAccepted || r.header.Get("Location") != "/orders/1" {
			t.Errorf("got %d, Location %q, want 202, /orders/1", r.status, r.header.Get("Location"))
		}
	})
}

func TestMessageCarriesTheOrderOfItsCustomer(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	var sent *async.Message
	d.producer.send = func(_ context.Context, m *async.Message) error {
		sent = m
		return nil
	}

	d.post(bodyOf(t, "1", "ann"))

	o, err := decode(sent)
	if err != nil {
		t.Fatal(err)
	}
	want := goodOrder()
	want.Invoice, want.Customer = "1", "ann"
	if diff := cmp.Diff(want, o); diff != "" || string(sent.Key) != "ann" {
		t.Errorf("key %q (-want +got):\n%s", sent.Key, diff)
	}
}

func TestOfTwoAtOnceOneIsTakenAndTheOtherWaits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err   error
		other bool
		want  [2]int
	}{
		"the same":                        {nil, false, [2]int{http.StatusAccepted, http.StatusOK}},
		"another":                         {nil, true, [2]int{http.StatusAccepted, http.StatusConflict}},
		"the same, and the first fails":   {errors.New("down"), false, [2]int{http.StatusServiceUnavailable, http.StatusAccepted}},
		"another, and the first does not": {errors.New("down"), true, [2]int{http.StatusServiceUnavailable, http.StatusAccepted}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDoor(t)
				outcome := make(chan error)
				d.producer.send = func(context.Context, *async.Message) error { return <-outcome }
				first, second := make(chan reply, 1), make(chan reply, 1)
				go func() { first <- d.post(bodyOf(t, "1", "ann")) }()
				synctest.Wait()
				go func() {
					second <- d.post(bodyOf(t, "1", "ann", func(o *Order) {
						if test.other {
							o.Country = "France"
						}
					}))
				}()

				synctest.Wait()
				if len(first)+len(second) > 0 {
					t.Fatal("one of them did not wait")
				}
				outcome <- test.err
				synctest.Wait()
				close(outcome)

				if got := [2]int{(<-first).status, (<-second).status}; got != test.want {
					t.Errorf("got %v, want %v", got, test.want)
				}
			})
		})
	}
}

func TestOrderThatTheBrokerDoesNotTakeIsNone(t *testing.T) {
	t.Parallel()
	down := errors.New("secret of the broker")
	tests := map[string]struct {
		send func(context.Context, *async.Message) error
		want int
	}{
		"an error": {func(context.Context, *async.Message) error { return down }, http.StatusServiceUnavailable},
		"closed":   {func(context.Context, *async.Message) error { return async.ErrClosed }, http.StatusServiceUnavailable},
		"a panic":  {func(context.Context, *async.Message) error { panic(down) }, http.StatusInternalServerError},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			works := d.producer.send
			d.producer.send = test.send

			r := d.post(bodyOf(t, "1", "ann"))

			problemOf(t, r, test.want)
			if strings.Contains(r.body, "secret") {
				t.Errorf("got %s, want nothing of the cause", r.body)
			}
			if _, ok := d.book.Order("1"); ok || d.book.Summary().Accepted != 0 {
				t.Error("the order exists")
			}
			d.producer.send = works
			if r := d.post(bodyOf(t, "1", "ann")); r.status != http.StatusAccepted {
				t.Errorf("again: got %d, want 202", r.status)
			}
		})
	}
}

func TestOrderThatIsProcessedWasTakenWhateverTheBrokerSays(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.producer.send = func(_ context.Context, m *async.Message) error {
		o, err := decode(m)
		if err != nil {
			return err
		}
		_, digest, err := o.encode()
		if err != nil {
			return err
		}
		d.book.Start(o, digest, 1)
		return async.ErrUnknown
	}

	if r := d.post(bodyOf(t, "1", "ann")); r.status != http.StatusAccepted {
		t.Errorf("got %d: %s, want 202", r.status, r.body)
	}
}

func TestSameInvoiceAgainIsTheSameOrder(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{})
	s.accept(sound, "ann")
	s.finished(1)
	before := s.view(sound)

	for name, body := range map[string]string{
		"the same":            bodyOf(t, sound, "ann"),
		"in other words":      strings.Replace(bodyOf(t, sound, "ann"), `{"invoice":"F0"`, `{ "invoice" : "\u00460"`, 1),
		"with unknown fields": strings.Replace(bodyOf(t, sound, "ann"), `{`, `{"gift":[{"wrap":true}],`, 1),
	} {
		if r := s.post(body); r.status != http.StatusOK || r.header.Get("Location") != "/orders/F0" {
			t.Errorf("%s: got %d, Location %q: %s, want 200, /orders/F0", name, r.status, r.header.Get("Location"), r.body)
		}
	}
	for name, change := range map[string]func(*Order){
		"quantity":    func(o *Order) { o.Lines[0].Quantity++ },
		"customer":    func(o *Order) { o.Customer = "bob" },
		"country":     func(o *Order) { o.Country = "" },
		"fewer lines": func(o *Order) { o.Lines = o.Lines[:1] },
	} {
		problemOf(t, s.post(bodyOf(t, sound, "ann", change)), http.StatusConflict)
		if got := s.view(sound); got != before {
			t.Errorf("%s: got %+v, want %+v unchanged", name, got, before)
		}
	}
	if got, want := s.summary(), (Summary{Accepted: 1, Processed: 1, Value: "35.64"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestManyAtOnceAreOneOrder(t *testing.T) {
	t.Parallel()
	const clients = 32
	s := openShop(t, settings{})
	var all sync.WaitGroup
	statuses := make(chan int, clients)
	for range clients {
		all.Go(func() { statuses <- s.post(bodyOf(t, sound, "ann")).status })
	}
	all.Wait()
	close(statuses)

	got := make(map[int]int)
	for status := range statuses {
		got[status]++
	}
	if got[http.StatusAccepted] != 1 || got[http.StatusOK] != clients-1 {
		t.Errorf("got %v, want one 202 and %d 200", got, clients-1)
	}
	s.finished(1)
	if got := s.summary(); got.Accepted != 1 || got.Processed != 1 {
		t.Errorf("got %+v, want one order", got)
	}
}

func TestWhatIsNoJSONIsABadRequest(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{})
	good := bodyOf(t, "1", "ann")
	for name, body := range map[string]string{
		"nothing": "", "white space": "  \n", "truncated": good[:len(good)-1], "trailing data": good + "x", "a second order": good + good,
		"trailing bracket": good + "}", "a word": "order", "comma too many": `{"invoice":"1",}`, "a control character": "{\"invoice\":\"a\nb\"}",
	} {
		r := s.do(http.MethodPost, "/orders", body, "Content-Type", "application/json")

		if p := problemOf(t, r, http.StatusBadRequest); p.Detail == "" {
			t.Errorf("%s: got %s, want a detail", name, r.body)
		}
	}

	if got, want := s.summary(), (Summary{Value: "0.00"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEveryFaultIsNamedAtOnceWithItsPointer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		body string
		want []string
	}{
		"types": {
			`{"invoice":1,"customer":[],"country":{},"time":true,"lines":[{"sku":1,"description":2,"quantity":"3","unit_price":1.5},7,"x"]}`,
			[]string{
				"/country", "/customer", "/invoice", "/lines/0/description", "/lines/0/quantity", "/lines/0/sku", "/lines/0/unit_price",
				"/lines/1", "/lines/2", "/time",
			},
		},
		"types and values": {
			`{"invoice":"C1","customer":7,"lines":[{"sku":"","description":"d","quantity":1.5,"unit_price":"0"},` +
				`{"sku":"A","description":"d","quantity":0,"unit_price":2}]}`,
			[]string{
				"/customer", "/invoice", "/lines/0/quantity", "/lines/0/sku", "/lines/0/unit_price", "/lines/1/quantity", "/lines/1/unit_price",
			},
		},
		"values": {
			`{"invoice":"a b","customer":"","lines":[{"sku":"A","description":"d","quantity":1,"unit_price":"1"},` +
				`{"sku":"A","description":"","quantity":-1,"unit_price":"1,5"}]}`,
			[]string{"/customer", "/invoice", "/lines/1/description", "/lines/1/quantity", "/lines/1/unit_price"},
		},
		"absent fields": {`{"lines":[{}]}`, []string{"/customer", "/invoice", "/lines/0/description", "/lines/0/quantity", "/lines/0/sku", "/lines/0/unit_price"}},
		"null": {
			`{"invoice":null,"customer":null,"lines":[null]}`,
			[]string{"/customer", "/invoice", "/lines/0/description", "/lines/0/quantity", "/lines/0/sku", "/lines/0/unit_price"},
		},
		"empty object":  {`{}`, []string{"/customer", "/invoice", "/lines"}},
		"lines, null":   {`{"invoice":"1","customer":"a","lines":null}`, []string{"/lines"}},
		"no array":      {`{"invoice":"1","customer":"a","lines":{"0":{}}}`, []string{"/lines"}},
		"no object":     {`[{"invoice":"1"}]`, []string{""}},
		"only null":     {`null`, []string{"/customer", "/invoice", "/lines"}},
		"only a number": {`12`, []string{""}},
		"quantities": {
			`{"invoice":"1","customer":"a","lines":[` + strings.Join([]string{
				quantityLine(`1000001`), quantityLine(`1e30`), quantityLine(`99999999999999999999`), quantityLine(`-1`), quantityLine(`0`),
				quantityLine(`1.5`), quantityLine(`true`), quantityLine(`"1"`), quantityLine(`[1]`), quantityLine(`1000000`), quantityLine(`1`),
			}, ",") + `]}`,
			[]string{
				"/lines/0/quantity", "/lines/1/quantity", "/lines/2/quantity", "/lines/3/quantity", "/lines/4/quantity", "/lines/5/quantity",
				"/lines/6/quantity", "/lines/7/quantity", "/lines/8/quantity",
			},
		},
	}
	s := openShop(t, settings{})
	for name, test := range tests {
		r := s.post(test.body)

		var got []string
		for _, f := range problemOf(t, r, http.StatusUnprocessableEntity).Errors {
			got = append(got, f.Pointer)
			if f.Detail == "" {
				t.Errorf("%s: %q has no detail", name, f.Pointer)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: pointers (-want +got):\n%s", name, diff)
		}
	}

	if got, want := s.summary(), (Summary{Refused: len(tests), Value: "0.00"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func quantityLine(quantity string) string {
	return fmt.Sprintf(`{"sku":"A","description":"a","quantity":%s,"unit_price":"1"}`, quantity)
}

func TestThousandsOfFaultsAreNamedToo(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{})
	const lines = 2000

	r := s.post(`{"invoice":"1","customer":"a","lines":[` + strings.Repeat(`{"quantity":"x"},`, lines-1) + `{}]}`)

	if got := problemOf(t, r, http.StatusUnprocessableEntity).Errors; len(got) != 4*lines || got[4*lines-1].Pointer != "/lines/1999/unit_price" {
		t.Errorf("got %d faults, want %d", len(got), 4*lines)
	}
}

func TestBodyOverTheLimitIsTooLarge(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{})
	description := func(n int) func(*Order) { return func(o *Order) { o.Lines[0].Description = strings.Repeat("x", n) } }
	rest := len(bodyOf(t, "1", "ann", description(0)))

	s.accept("1", "ann", description(phttp.DefaultBodyLimit-rest))
	r := s.post(bodyOf(t, "2", "ann", description(phttp.DefaultBodyLimit-rest+1)))

	problemOf(t, r, http.StatusRequestEntityTooLarge)
	s.finished(1)
	if got := s.summary(); got.Accepted != 1 || got.Refused != 0 {
		t.Errorf("got %+v, want one order and none refused", got)
	}
}

func TestWhatIsNotJSONByItsTypeIsUnsupported(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{})

	problemOf(t, s.do(http.MethodPost, "/orders", bodyOf(t, "1", "ann"), "Content-Type", "text/plain"), http.StatusUnsupportedMediaType)
	if r := s.do(http.MethodPost, "/orders", bodyOf(t, "1", "ann"), "Content-Type", "application/json; charset=utf-8"); r.status != http.StatusAccepted {
		t.Errorf("got %d, want 202", r.status)
	}
}

func TestOrderIsReadableAsSoonAsItIsTaken(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{stockFailures: true})

	for i := range 50 {
		invoice := fmt.Sprint("A", i)
		s.accept(invoice, "ann")
		v := s.view(invoice)
		if v.Invoice != invoice || v.Customer != "ann" || v.Value != "35.64" || v.Location != "/orders/"+invoice || v.Cause != "" {
			t.Errorf("got %+v", v)
		}
	}
}

func TestViewTellsWhatBecameOfTheOrder(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{stockFailures: true})
	s.accept(sound, "ann")
	s.accept(failing, "bob")
	s.accept(failingTwice, "eve")
	s.accept("F1", "dan", manual)
	s.finished(4)

	for _, want := range []View{
		{Invoice: sound, Customer: "ann", Status: Processed, Attempts: 1, Value: "35.64", Location: "/orders/F0"},
		{Invoice: failing, Customer: "bob", Status: Processed, Attempts: 2, Value: "35.64", Location: "/orders/F21"},
		{Invoice: failingTwice, Customer: "eve", Status: Processed, Attempts: 3, Value: "35.64", Location: "/orders/F180"},
	} {
		if got := s.view(want.Invoice); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if got := s.view("F1"); got.Status != Dead || got.Attempts != 1 || !strings.Contains(got.Cause, "M is a manual posting") {
		t.Errorf("got %+v, want it dead after one attempt, with its cause", got)
	}
	want := Summary{Accepted: 4, Processed: 3, Dead: 1, Retried: 3, Value: "106.92"}
	if got := s.summary(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestFieldsOfAViewAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{})
	s.accept(sound, "ann")
	s.finished(1)

	want := `{"invoice":"F0","customer":"ann","status":"processed","attempts":1,"value":"35.64","location":"/orders/F0"}`
	if r := s.get("/orders/F0"); strings.TrimSpace(r.body) != want {
		t.Errorf("got %s, want %s", r.body, want)
	}
	if r := s.get("/orders?customer=ann"); strings.TrimSpace(r.body) != `{"orders":[`+want+`]}` {
		t.Errorf("got %s, want a list of %s", r.body, want)
	}
	summary := `{"accepted":1,"refused":0,"waiting":0,"processing":0,"processed":1,"dead":0,"retried":0,"value":"35.64"}`
	if r := s.get("/summary"); strings.TrimSpace(r.body) != summary {
		t.Errorf("got %s, want %s", r.body, summary)
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{})

	for _, path := range []string{"/orders/nobody", "/orders/events", "/orders/", "/orders/a/b", "/"} {
		problemOf(t, s.get(path), http.StatusNotFound)
	}
	problemOf(t, s.do(http.MethodDelete, "/orders", ""), http.StatusMethodNotAllowed)
}

func TestListNeedsACustomer(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{})

	if p := problemOf(t, s.get("/orders"), http.StatusUnprocessableEntity); len(p.Errors) != 1 || p.Errors[0].Pointer != "/customer" {
		t.Errorf("got %+v, want /customer named", p)
	}
	for _, query := range []string{"customer=nobody", "customer="} {
		if r := s.get("/orders?" + query); r.status != http.StatusOK || strings.TrimSpace(r.body) != `{"orders":[]}` {
			t.Errorf("%s: got %d %s, want an empty list", query, r.status, r.body)
		}
	}
	if got := s.summary(); got.Refused != 0 {
		t.Errorf("got %+v, want no order refused", got)
	}
}

func TestListIsInTheOrderOfEffects(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{stockFailures: true})
	var want []string
	for _, invoice := range []string{failingTwice, sound, failing, "F1", "F2"} {
		s.accept(invoice, "a b&c")
		want = append(want, invoice+" processed")
	}
	s.finished(len(want))

	var got struct{ Orders []View }
	decodeInto(t, s.get("/orders?customer=a+b%26c").body, &got)
	if diff := cmp.Diff(want, invoices(got.Orders)); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
}

func TestSummaryAddsUpWhileOrdersComeAndGo(t *testing.T) {
	t.Parallel()
	s := openShop(t, settings{stockFailures: true})
	const clients, each = 8, 25
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range each {
				s.accept(fmt.Sprintf("S%dx%d", c, i), strconv.Itoa(c))
				sum := s.summary()
				if sum.Accepted != sum.Waiting+sum.Processing+sum.Processed+sum.Dead {
					t.Errorf("%+v does not add up", sum)
				}
			}
		})
	}
	all.Wait()
	s.finished(clients * each)

	got := s.summary()
	retried := got.Retried
	got.Retried = 0
	want := Summary{Accepted: clients * each, Processed: clients * each, Value: pence(clients * each * 3564).String()}
	if got != want || retried == 0 {
		t.Errorf("got %+v, %d retried, want %+v and some", got, retried, want)
	}
}
