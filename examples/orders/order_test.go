package main

import (
	"encoding/json"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/beatlabs/patron/async"
	pjson "github.com/beatlabs/patron/encoding/json"
	"github.com/google/go-cmp/cmp"
)

// goodOrder is an order without a fault.
func goodOrder() *Order {
	return &Order{
		Invoice: "536365", Customer: "17850", Country: "United Kingdom", Time: "2010-12-01T08:26:00Z",
		Lines: []Line{
			{SKU: "85123A", Description: "WHITE HANGING HEART T-LIGHT HOLDER", Quantity: 6, UnitPrice: "2.55"},
			{SKU: "71053", Description: "WHITE METAL LANTERN", Quantity: 6, UnitPrice: "3.39"},
		},
	}
}

func pointers(o *Order) []string {
	pp := []string{}
	for _, f := range o.Validate() {
		pp = append(pp, f.Pointer)
	}
	return pp
}

func TestOrderWithoutFaultHasNone(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*Order){
		"as it is":              func(*Order) {},
		"one character":         func(o *Order) { o.Invoice = "a" },
		"32 characters":         func(o *Order) { o.Invoice = strings.Repeat("Z", 32) },
		"a small c":             func(o *Order) { o.Invoice = "c1" },
		"a C further on":        func(o *Order) { o.Invoice = "1C" },
		"almost reserved":       func(o *Order) { o.Invoice = "Events" },
		"no country, no time":   func(o *Order) { o.Country, o.Time = "", "" },
		"the smallest line":     func(o *Order) { o.Lines[0].Quantity, o.Lines[0].UnitPrice = 1, "0.01" },
		"the largest line":      func(o *Order) { o.Lines[0].Quantity, o.Lines[0].UnitPrice = 1_000_000, "999999999.99" },
		"a manual posting":      func(o *Order) { o.Lines[0].SKU = "M" },
		"a customer with signs": func(o *Order) { o.Customer = "  é/\"" },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := goodOrder()
			change(o)

			if ff := o.Validate(); ff != nil {
				t.Errorf("got %v, want no fault", ff)
			}
		})
	}
}

func TestEveryFaultOfAnOrderIsNamed(t *testing.T) {
	t.Parallel()
	line := func(change func(*Line)) func(*Order) {
		return func(o *Order) { change(&o.Lines[1]) }
	}
	tests := map[string]struct {
		change func(*Order)
		want   []string
	}{
		"no invoice":          {func(o *Order) { o.Invoice = "" }, []string{"/invoice"}},
		"invoice too long":    {func(o *Order) { o.Invoice = strings.Repeat("1", 33) }, []string{"/invoice"}},
		"invoice with a sign": {func(o *Order) { o.Invoice = "53-65" }, []string{"/invoice"}},
		"invoice with a line": {func(o *Order) { o.Invoice = "536365\n" }, []string{"/invoice"}},
		"invoice not ASCII":   {func(o *Order) { o.Invoice = "é" }, []string{"/invoice"}},
		"invoice reserved":    {func(o *Order) { o.Invoice = "events" }, []string{"/invoice"}},
		"cancellation":        {func(o *Order) { o.Invoice = "C536365" }, []string{"/invoice"}},
		"no customer":         {func(o *Order) { o.Customer = "" }, []string{"/customer"}},
		"no lines":            {func(o *Order) { o.Lines = nil }, []string{"/lines"}},
		"empty lines":         {func(o *Order) { o.Lines = []Line{} }, []string{"/lines"}},
		"no sku":              {line(func(l *Line) { l.SKU = "" }), []string{"/lines/1/sku"}},
		"no description":      {line(func(l *Line) { l.Description = "" }), []string{"/lines/1/description"}},
		"quantity 0":          {line(func(l *Line) { l.Quantity = 0 }), []string{"/lines/1/quantity"}},
		"quantity below 0":    {line(func(l *Line) { l.Quantity = -6 }), []string{"/lines/1/quantity"}},
		"quantity too large":  {line(func(l *Line) { l.Quantity = 1_000_001 }), []string{"/lines/1/quantity"}},
		"no price":            {line(func(l *Line) { l.UnitPrice = "" }), []string{"/lines/1/unit_price"}},
		"price 0":             {line(func(l *Line) { l.UnitPrice = "0.00" }), []string{"/lines/1/unit_price"}},
		"price below 0":       {line(func(l *Line) { l.UnitPrice = "-1.00" }), []string{"/lines/1/unit_price"}},
		"price too exact":     {line(func(l *Line) { l.UnitPrice = "1.001" }), []string{"/lines/1/unit_price"}},
		"a manual posting without description": {
			line(func(l *Line) { l.SKU, l.Description = "M", "" }), []string{"/lines/1/description"},
		},
		"everything": {
			func(o *Order) {
				*o = Order{Invoice: "C!", Lines: []Line{{}, {SKU: "A", Description: "a", Quantity: 1, UnitPrice: "1"}, {}}}
			},
			[]string{
				"/invoice", "/customer", "/lines/0/sku", "/lines/0/description", "/lines/0/quantity", "/lines/0/unit_price",
				"/lines/2/sku", "/lines/2/description", "/lines/2/quantity", "/lines/2/unit_price",
			},
		},
		"nothing": {func(o *Order) { *o = Order{} }, []string{"/invoice", "/customer", "/lines"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := goodOrder()
			test.change(o)

			if diff := cmp.Diff(test.want, pointers(o)); diff != "" {
				t.Errorf("pointers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestManualPostingsNeedAPerson(t *testing.T) {
	t.Parallel()
	for _, sku := range []string{"M", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK"} {
		o := goodOrder()
		o.Lines[1].SKU = sku
		if got := o.NeedsPerson(); !strings.Contains(got, "line 1") || !strings.Contains(got, sku) {
			t.Errorf("%s: got %q, want line and sku named", sku, got)
		}
	}
	for _, sku := range []string{"85123A", "m", "MM", " M", "POST", "DOT"} {
		o := goodOrder()
		o.Lines[1].SKU = sku
		if got := o.NeedsPerson(); got != "" {
			t.Errorf("%s: got %q, want goods", sku, got)
		}
	}
}

func TestValueIsTheSumOfTheLines(t *testing.T) {
	t.Parallel()

	if got := goodOrder().Value().String(); got != "35.64" {
		t.Errorf("got %s, want 35.64", got)
	}
}

func TestValueOfTheLargestOrderIsExact(t *testing.T) {
	t.Parallel()
	o := goodOrder()
	o.Lines = slices.Repeat([]Line{{SKU: "A", Description: "a", Quantity: 1_000_000, UnitPrice: "999999999.99"}}, 13_000)

	if got := o.Value().String(); got != "12999999999870000000.00" {
		t.Errorf("got %s, want 12999999999870000000.00", got)
	}
}

func TestDigestTellsOrdersApartByWhatTheySay(t *testing.T) {
	t.Parallel()
	digest := func(body string) [32]byte {
		var o Order
		if err := json.Unmarshal([]byte(body), &o); err != nil {
			t.Fatal(err)
		}
		_, sum, err := o.encode()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	const one = `{"invoice":"1","customer":"2","lines":[{"sku":"A","description":"a","quantity":1,"unit_price":"1"}]}`

	for _, same := range []string{
		` { "customer" : "2", "lines" : [ {"quantity":1,"unit_price":"1","sku":"\u0041","description":"a"} ], "invoice":"1" } `,
		`{"invoice":"1","customer":"2","new":{"field":[1]},"lines":[{"sku":"A","description":"a","quantity":1,"unit_price":"1","gift":true}]}`,
	} {
		if digest(same) != digest(one) {
			t.Errorf("%s differs from %s", same, one)
		}
	}
	for _, other := range []string{
		strings.Replace(one, `"quantity":1`, `"quantity":2`, 1),
		strings.Replace(one, `"unit_price":"1"`, `"unit_price":"2"`, 1),
		strings.Replace(one, `"customer":"2"`, `"customer":"3"`, 1),
		strings.Replace(one, `{"invoice"`, `{"country":"France","invoice"`, 1),
	} {
		if digest(other) == digest(one) {
			t.Errorf("%s is taken for %s", other, one)
		}
	}
}

// FuzzOrder decodes an order as the service does, and compares what it makes of it with encoding/json, a second reading of the rules and exact arithmetic.
func FuzzOrder(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `[]`, `{"invoice":1}`, `{"invoice":"1","customer":"2","lines":[{"sku":"A","description":"a","quantity":1,"unit_price":"1"}]}`,
		`{"INVOICE":"C1","customer":"2","lines":[{"sku":"A","description":"a","quantity":1e0,"unit_price":1}]}`,
		`{"invoice":"events","customer":"","lines":[null,{}],"time":"\ud800","country":null}`, `{"invoice":"1\n","lines":[{"quantity":1000001,"unit_price":"0.00"}]}`,
		`{"invoice":"a","customer":"b","lines":[{"sku":"A","description":"a","quantity":1000000,"unit_price":"999999999.99"},` +
			`{"sku":"M","description":"\u2028","quantity":2,"unit_price":"0.1"}]}`,
	} {
		f.Add([]byte(seed))
	}
	invoice := regexp.MustCompile(`\A[A-Za-z0-9]{1,32}\z`)
	price := regexp.MustCompile(`\A[0-9]{1,9}(\.[0-9]{1,2})?\z`)
	f.Fuzz(func(t *testing.T, data []byte) {
		var o, plain Order
		err := pjson.DecodeRaw(data, &o)
		if plainErr := json.Unmarshal(data, &plain); (err == nil) != (plainErr == nil && utf8.Valid(data)) {
			t.Fatalf("%q: got %v, encoding/json says %v", data, err, plainErr)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(plain, o); diff != "" {
			t.Fatalf("%q (-encoding/json +ours):\n%s", data, diff)
		}
		want := invoice.MatchString(o.Invoice) && o.Invoice != "events" && o.Invoice[0] != 'C' && o.Customer != "" && len(o.Lines) > 0
		sum := new(big.Rat)
		for _, l := range o.Lines {
			pounds, ok := new(big.Rat).SetString(l.UnitPrice)
			ok = ok && price.MatchString(l.UnitPrice)
			if ok && l.Quantity > 0 {
				sum.Add(sum, new(big.Rat).Mul(pounds, new(big.Rat).SetInt64(l.Quantity)))
			}
			want = want && ok && pounds.Sign() > 0 && l.SKU != "" && l.Description != "" && 1 <= l.Quantity && l.Quantity <= 1_000_000
		}
		if ff := o.Validate(); (len(ff) == 0) != want {
			t.Errorf("%q: got faults %v, want none: %t", data, ff, want)
		}
		if got := o.Value().String(); got != sum.FloatString(2) {
			t.Errorf("%q: got the value %s, want %s", data, got, sum.FloatString(2))
		}
		encoded, digest, err := o.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(&async.Message{Data: encoded})
		if err != nil {
			t.Fatalf("%q became %q: %v", data, encoded, err)
		}
		if _, same, err := again.encode(); err != nil || same != digest {
			t.Errorf("%q: got another digest after a round trip: %v", data, err)
		}
	})
}
