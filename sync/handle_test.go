package sync_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/beatlabs/patron/encoding/json"
	"github.com/beatlabs/patron/encoding/protobuf"
	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type order struct {
	Invoice  string    `json:"invoice"  validate:"required,pattern=^[A-Za-z0-9]{1,32}$"`
	Customer string    `json:"customer" validate:"required"`
	Time     time.Time `json:"time"     validate:"required"`
	Lines    []line    `json:"lines"    validate:"minlen=1"`
}

func (o *order) Validate() []psync.Fault {
	if strings.HasPrefix(o.Invoice, "C") {
		return []psync.Fault{{Pointer: psync.Pointer("invoice"), Detail: "must not be a cancellation"}}
	}
	return nil
}

type line struct {
	SKU      string `json:"sku"      validate:"required"`
	Quantity int    `json:"quantity" validate:"min=1,max=1000000"`
	Price    string `json:"unit_price"`
}

func (l line) Validate() []psync.Fault {
	if l.Price == "0.00" {
		return []psync.Fault{{Pointer: "/unit_price", Detail: "must be above 0"}}
	}
	return nil
}

var handleOrder = psync.Handle(func(_ context.Context, o order) (*psync.Response, error) {
	return &psync.Response{Payload: o.Invoice, Status: 202}, nil
})

const goodOrder = `{"invoice":"536365","customer":"17850","time":"2010-12-01T08:26:00Z","lines":[{"sku":"85123A","quantity":6,"unit_price":"2.55"}]}`

// lines returns the faults of an error as lines of pointer and detail.
func lines(tb testing.TB, err error) []string {
	tb.Helper()
	e, ok := errors.AsType[*psync.Error](err)
	if !ok || e.Code != psync.InvalidArgument || e.HTTPStatus() != 422 {
		tb.Fatalf("got %v, want InvalidArgument with faults", err)
	}
	var ll []string
	for _, f := range e.Faults {
		ll = append(ll, strings.TrimSpace(f.Pointer+" "+f.Detail))
	}
	return ll
}

func TestHandleDecodesCallsAndAnswers(t *testing.T) {
	t.Parallel()
	res, err := handleOrder(t.Context(), newRequest(goodOrder))

	if err != nil || res.Payload != "536365" || res.Status != 202 {
		t.Errorf("got %+v and %v, want the response of the function", res, err)
	}
}

func TestHandleReportsEveryFaultAtOnce(t *testing.T) {
	t.Parallel()
	for body, want := range map[string][]string{
		`{}`:   {"/customer is required", "/invoice is required", "/lines must have at least 1 element", "/time is required"},
		`null`: {"/customer is required", "/invoice is required", "/lines must have at least 1 element", "/time is required"},
		`[]`:   {"must be an object, not an array"},
		// A time that cannot be read ends the work of encoding/json. What follows it must not be reported as missing.
		`{"time":"yesterday","invoice":"C1","customer":7,"lines":[{"sku":"a","quantity":0},{"quantity":"six"},{"sku":"b","quantity":1,"unit_price":"0.00"},` +
			`{"sku":1},{"sku":"c","quantity":1.0},{"sku":"d","quantity":1e3},{},{},{},{},"x"]}`: {
			"/customer must be a string, not a number",
			"/invoice must not be a cancellation",
			"/lines/0/quantity must be at least 1",
			"/lines/1/quantity must be an integer, not a string",
			"/lines/1/sku is required",
			"/lines/2/unit_price must be above 0",
			"/lines/3/quantity must be at least 1",
			"/lines/3/sku must be a string, not a number",
			"/lines/4/quantity must be an integer, written without fraction and exponent",
			"/lines/5/quantity must be an integer, written without fraction and exponent",
			"/lines/6/quantity must be at least 1",
			"/lines/6/sku is required",
			"/lines/7/quantity must be at least 1",
			"/lines/7/sku is required",
			"/lines/8/quantity must be at least 1",
			"/lines/8/sku is required",
			"/lines/9/quantity must be at least 1",
			"/lines/9/sku is required",
			"/lines/10 must be an object, not a string",
			"/time must be a time in the format of RFC 3339",
		},
	} {
		_, err := handleOrder(t.Context(), newRequest(body))

		if diff := cmp.Diff(want, lines(t, err)); diff != "" {
			t.Errorf("%s: want -, got +\n%s", body, diff)
		}
	}
}

func TestHandleBoundsTheFaults(t *testing.T) {
	t.Parallel()
	good := strings.TrimSuffix(goodOrder, `]}`)
	for name, body := range map[string]string{
		"of validation": good + strings.Repeat(`,{}`, 30_000) + `]}`,
		"of decoding":   good + strings.Repeat(`,7`, 30_000) + `]}`,
		"of both":       good + strings.Repeat(`,7`, 6000) + strings.Repeat(`,{}`, 30_000) + `]}`,
	} {
		_, err := handleOrder(t.Context(), newRequest(body))

		got := lines(t, err)
		if len(got) != 10_000 || got[9999] != "has more faults than these 9999" {
			t.Errorf("faults %s: got %d, the last %q", name, len(got), got[len(got)-1])
		}
	}
}

func TestHandleTellsBadSyntaxFromBadValues(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		"":                    "empty input: want a JSON value",
		goodOrder[:50]:        "JSON that ends early, after byte 50",
		goodOrder + "x":       "data after the JSON value, at byte 129",
		`{"invoice":secret}`:  "malformed JSON at byte 11",
		"{\"invoice\":\"\xff": "invalid UTF-8 at byte 12",
	} {
		_, err := handleOrder(t.Context(), newRequest(body))

		e, ok := errors.AsType[*psync.Error](err)
		if !ok || e.Message != want || len(e.Faults) > 0 || e.HTTPStatus() != 400 {
			t.Errorf("%.30q: got %v, want %q and 400", body, err, want)
		}
	}
}

func TestHandleDoesNotCallTheFunctionWithWrongInput(t *testing.T) {
	t.Parallel()
	called := false
	p := psync.Handle(func(context.Context, *line) (int, error) {
		called = true
		return 0, nil
	})
	for _, body := range []string{``, `{}`, `{"sku":1}`} {
		if res, err := p(t.Context(), newRequest(body)); err == nil || res != nil || called {
			t.Errorf("%q: got %v and %v, called is %t", body, res, err, called)
		}
	}
}

func TestHandleTakesManyKindsOfInput(t *testing.T) {
	t.Parallel()
	message, err := protobuf.Encode(wrapperspb.String("x"))
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	unread := strings.NewReader("unread")
	for name, c := range map[string]struct {
		proc psync.ProcessorFunc
		req  *psync.Request
		want any
	}{
		"a pointer": {psync.Handle(func(_ context.Context, l *line) (string, error) { return l.SKU, nil }), newRequest(`{"sku":"a","quantity":1}`), "a"},
		"a slice":   {psync.Handle(func(_ context.Context, ll []line) (int, error) { return len(ll), nil }), newRequest(`[{"sku":"a","quantity":1}]`), 1},
		"a map":     {psync.Handle(func(_ context.Context, m map[string]int) (int, error) { return m["a"], nil }), newRequest(`{"a":7}`), 7},
		"a string":  {psync.Handle(func(_ context.Context, s string) (string, error) { return s, nil }), newRequest(`"a"`), "a"},
		"an any":    {psync.Handle(func(_ context.Context, v any) (any, error) { return v, nil }), newRequest(`"a"`), "a"},
		"nothing": {
			psync.Handle(func(context.Context, struct{}) (int, error) { return unread.Len(), nil }),
			psync.NewRequest(nil, unread, nil, nil), 6,
		},
		"a request": {
			psync.Handle(func(_ context.Context, r *psync.Request) (string, error) { return r.Field("id"), nil }),
			psync.NewRequest(map[string]string{"id": "7"}, nil, nil, nil), "7",
		},
		"a protobuf": {
			psync.Handle(func(_ context.Context, m *wrapperspb.StringValue) (string, error) { return m.GetValue(), nil }),
			psync.NewRequest(nil, strings.NewReader(string(message)), nil, protobuf.Decode), "x",
		},
	} {
		res, err := c.proc(t.Context(), c.req)
		if err != nil || res.Payload != c.want {
			t.Errorf("%s: got %+v and %v, want %v", name, res, err, c.want)
		}
	}
}

func TestHandleKnowsWhatHasNoContent(t *testing.T) {
	t.Parallel()
	req := func() *psync.Request { return psync.NewRequest(nil, nil, nil, nil) }
	for name, p := range map[string]psync.ProcessorFunc{
		"an empty struct":  psync.Handle(func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }),
		"a nil pointer":    psync.Handle(func(context.Context, struct{}) (*line, error) { return nil, nil }),
		"a nil interface":  psync.Handle(func(context.Context, struct{}) (any, error) { return nil, nil }),
		"a nil *Response":  psync.Handle(func(context.Context, struct{}) (*psync.Response, error) { return nil, nil }),
		"one in an any":    psync.Handle(func(context.Context, struct{}) (any, error) { return (*psync.Response)(nil), nil }),
		"an error, though": psync.Handle(func(context.Context, struct{}) (int, error) { return 7, errors.New("x") }),
	} {
		res, err := p(t.Context(), req())
		if res != nil || (err != nil) != strings.Contains(name, "error") {
			t.Errorf("%s: got %+v and %v, want no response", name, res, err)
		}
	}
	for name, c := range map[string]struct {
		proc psync.ProcessorFunc
		want *psync.Response
	}{
		"a nil slice": {psync.Handle(func(context.Context, struct{}) ([]int, error) { return nil, nil }), psync.NewResponse([]int(nil))},
		"a zero":      {psync.Handle(func(context.Context, struct{}) (int, error) { return 0, nil }), psync.NewResponse(0)},
		"a struct":    {psync.Handle(func(context.Context, struct{}) (line, error) { return line{SKU: "a"}, nil }), psync.NewResponse(line{SKU: "a"})},
		"a Response": {
			psync.Handle(func(context.Context, struct{}) (psync.Response, error) { return psync.Response{Status: 201}, nil }),
			&psync.Response{Status: 201},
		},
		"one in an any": {psync.Handle(func(context.Context, struct{}) (any, error) { return &psync.Response{Status: 202}, nil }), &psync.Response{Status: 202}},
	} {
		res, err := c.proc(t.Context(), req())
		if diff := cmp.Diff(c.want, res); err != nil || diff != "" {
			t.Errorf("%s: error %v, want -, got +\n%s", name, err, diff)
		}
	}
}

func TestAnErrorOfTheFunctionIsReturnedAsItIs(t *testing.T) {
	t.Parallel()
	want := errors.New("x")
	p := psync.Handle(func(context.Context, struct{}) (int, error) { return 0, want })
	if _, err := p(t.Context(), psync.NewRequest(nil, nil, nil, nil)); err != want { //nolint:errorlint // as it is
		t.Errorf("got %v, want %v", err, want)
	}
}

type badTags struct {
	A int    `json:"a" validate:"required"`
	B string `json:"b" validate:"minimum=1"`
}

func TestAProcessorThatCannotWorkSaysSo(t *testing.T) {
	t.Parallel()
	bad := psync.Handle(func(context.Context, badTags) (int, error) { return 0, nil })
	badPointer := psync.Handle(func(context.Context, *badTags) (int, error) { return 0, nil })
	missing := psync.Handle[line, int](nil)

	for name, p := range map[string]psync.ProcessorFunc{"bad tags": bad, "bad tags behind a pointer": badPointer, "no function": missing} {
		found := psync.Check(p)
		if found == nil {
			t.Errorf("Check of %s: got nil", name)
		}
		res, err := p(t.Context(), newRequest(`{}`))
		if psync.CodeOf(err) != psync.Internal || !errors.Is(err, found) || res != nil {
			t.Errorf("%s: got %v and %v, want Internal with %v", name, res, err, found)
		}
	}
	want := "sync: sync_test.badTags.A: tag validate: required: the zero value of int cannot be told from an absent one: want a pointer\n" +
		`sync: sync_test.badTags.B: tag validate: unknown rule "minimum": want required, optional, min, max, minlen, maxlen, enum, pattern or each`
	if err := psync.Check(bad); err == nil || err.Error() != want {
		t.Errorf("Check: got\n%v\nwant\n%s", err, want)
	}
}

func TestCheckRunsNoProcessor(t *testing.T) {
	t.Parallel()
	never := func(context.Context, *psync.Request) (*psync.Response, error) {
		t.Error("Check ran a processor")
		return nil, nil
	}
	handled := psync.Handle(func(context.Context, struct{}) (int, error) {
		t.Error("Check ran the function of a processor")
		return 0, nil
	})
	wrapped := psync.Chain(handled, func(psync.ProcessorFunc) psync.ProcessorFunc { return never })
	for _, p := range []psync.ProcessorFunc{nil, never, handled, handleOrder, wrapped} {
		if err := psync.Check(p); err != nil {
			t.Errorf("Check: got %v, want nil", err)
		}
	}
}

func TestHandleAllocatesLittle(t *testing.T) {
	// not parallel: AllocsPerRun counts the allocations of the whole process
	get := psync.Handle(func(_ context.Context, r *psync.Request) (*line, error) { return &line{SKU: r.Field("id")}, nil })
	fields := map[string]string{"id": "7"}
	ctx := t.Context()
	// The request, the payload and the response.
	if n := testing.AllocsPerRun(100, func() {
		_, _ = get(ctx, psync.NewRequest(fields, nil, nil, nil))
	}); n > 3 {
		t.Errorf("without a body: got %v allocations, want at most 3", n)
	}
	post := psync.Handle(func(context.Context, line) (struct{}, error) { return struct{}{}, nil })
	body := strings.NewReader("")
	decodeOnly := testing.AllocsPerRun(100, func() {
		body.Reset(`{"sku":"a","quantity":1}`)
		_ = json.Decode(body, new(line))
	})
	// The request comes on top of decoding. Validation costs nothing.
	if n := testing.AllocsPerRun(100, func() {
		body.Reset(`{"sku":"a","quantity":1}`)
		_, _ = post(ctx, psync.NewRequest(nil, body, nil, json.Decode))
	}); n > decodeOnly+1 {
		t.Errorf("with a body: got %v allocations, want at most %v", n, decodeOnly+1)
	}
}
