package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// gzipped compresses text.
func gzipped(tb testing.TB, text string) string {
	tb.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

func bodies(feed []feedOrder) []string {
	var bb []string
	for _, o := range feed {
		bb = append(bb, string(o.body))
	}
	return bb
}

// shipped reads the embedded orders, once for all tests.
var shipped = sync.OnceValues(func() ([]feedOrder, error) { return readFeed("") })

func TestEmbeddedOrdersAreTheDecemberOfTheShop(t *testing.T) {
	t.Parallel()

	feed, err := shipped()
	if err != nil {
		t.Fatal(err)
	}

	refused, persons := 0, 0
	var value Money
	for _, f := range feed {
		var o Order
		if err := json.Unmarshal(f.body, &o); err != nil {
			t.Fatal(err)
		}
		if o.Invoice != f.invoice || o.Customer != f.customer {
			t.Errorf("got %q of %q for %s of %s", f.invoice, f.customer, o.Invoice, o.Customer)
		}
		switch {
		case o.Validate() != nil:
			refused++
		case o.NeedsPerson() != "":
			persons++
		default:
			value = value.plus(o.Value())
		}
	}
	if len(feed) != 2025 || refused != 628 || persons != 23 || value.String() != "566353.25" {
		t.Errorf("got %d orders, %d refused, %d for a person, worth %v, want 2025, 628, 23, 566353.25", len(feed), refused, persons, value)
	}
}

func TestFileIsReadPlainOrCompressed(t *testing.T) {
	t.Parallel()
	want := []string{`{"invoice":"1"}`, `{"invoice": 2}`, `{}`}
	const text = "{\"invoice\":\"1\"}\r\n\n  {\"invoice\": 2}\n{}"
	for name, content := range map[string]string{"plain": text, "compressed": gzipped(t, text), "in two parts": gzipped(t, text[:20]) + gzipped(t, text[20:])} {
		feed, err := readFeed(writeFile(t, content))

		if diff := cmp.Diff(want, bodies(feed)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestFileThatCannotBeReadIsAnErrorWithItsLine(t *testing.T) {
	t.Parallel()
	two := "{}\n{}\n"
	tests := map[string]struct {
		path string
		want string
	}{
		"missing":                {t.TempDir() + "/missing", "no such file"},
		"a directory":            {t.TempDir(), "is a directory"},
		"no JSON":                {writeFile(t, two+"oops\n{}\n"), "line 3: invalid character 'o'"},
		"JSON cut short":         {writeFile(t, two+`{"invoice":`), "line 3: unexpected end"},
		"two on a line":          {writeFile(t, "{}{}\n"), "line 1: invalid character '{'"},
		"no object":              {writeFile(t, two+"\n[1]\n"), "line 4: json: cannot unmarshal array"},
		"null":                   {writeFile(t, "null\n"), "line 1: null: want a JSON object"},
		"line without end":       {writeFile(t, two+strings.Repeat(" ", maxLine+1)), "line 3: bufio.Scanner: token too long"},
		"no white space of JSON": {writeFile(t, "{}\v\n"), "line 1: invalid character '\\v'"},
		"nothing":                {writeFile(t, ""), "no orders"},
		"blank lines":            {writeFile(t, "\n \n"), "no orders"},
		"compressed, no JSON":    {writeFile(t, gzipped(t, two+"oops\n")), "line 3: invalid character 'o'"},
		"compressed, cut short":  {writeFile(t, gzipped(t, two+strings.Repeat("{}\n", 1000))[:30]), ": unexpected EOF"},
		"compressed, no more":    {writeFile(t, "\x1f\x8b"), "line 1: "},
		"compressed, damaged":    {writeFile(t, gzipped(t, two)[:20]+"????"), "line "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			feed, err := readFeed(test.path)

			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), test.path) {
				t.Errorf("got %d orders, %v, want an error with %q and the path", len(feed), err, test.want)
			}
		})
	}
}

func TestLaterPassesHaveInvoicesAndCustomersOfTheirOwn(t *testing.T) {
	t.Parallel()
	const line = `{"invoice":"536365", "customer":"17850","more":{"a":[1,2.50]},"lines":[{"unit_price":"2.55"}]}`
	feed, err := readFeed(writeFile(t, line))
	if err != nil {
		t.Fatal(err)
	}

	seen := map[string]bool{}
	for n := range 12 {
		o, err := feed[0].pass(n)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 && string(o.body) != line {
			t.Errorf("first pass: got %s, want it unchanged", o.body)
		}
		var got, was map[string]any
		if err := json.Unmarshal(o.body, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(line), &was); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"invoice", "customer"} {
			if text, _ := got[name].(string); !regexp.MustCompile(`^`+was[name].(string)+`[A-Za-z0-9]*$`).MatchString(text) || seen[name+text] {
				t.Errorf("pass %d: got %s %q, want a new one with a suffix of letters and digits", n, name, text)
			} else {
				seen[name+text] = true
			}
		}
		if got["invoice"] != o.invoice || got["customer"] != o.customer {
			t.Errorf("pass %d: got %s for %q of %q", n, o.body, o.invoice, o.customer)
		}
		for _, m := range []map[string]any{got, was} {
			delete(m, "invoice")
			delete(m, "customer")
		}
		if diff := cmp.Diff(was, got); diff != "" {
			t.Errorf("pass %d changes more (-want +got):\n%s", n, diff)
		}
	}
}

func TestWhatHasNoNameGetsNone(t *testing.T) {
	t.Parallel()
	for _, line := range []string{`{}`, `{"invoice":"","customer":""}`, `{"invoice":7,"customer":null}`, `{"customer":{"a":"b"},"invoice":["1"]}`} {
		o, err := parseFeedOrder([]byte(line))
		if err != nil {
			t.Fatal(err)
		}

		again, err := o.pass(3)
		if err != nil {
			t.Fatal(err)
		}

		var want, got any
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(again.body, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || again.invoice != "" || again.customer != "" {
			t.Errorf("%s: got %s, %q, %q, want it unchanged", line, again.body, again.invoice, again.customer)
		}
	}
}

// FuzzParseFeed compares plain with compressed content, and both with the lines themselves.
func FuzzParseFeed(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "{}", "{}\r\n\t{\"invoice\":\"1\"} \n\n", "null", "{}\n[]\n", "{}\n\u00a0{}", "\x1f\x8b", "\x1f\x8b\x08\x00", gzipped(f, "{}\n{}"),
		gzipped(f, "{}")[:20],
		`{"a":1}{"b":2}`, "{}\r{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		feed, err := parseFeed("file", raw)

		if (err == nil) != (len(feed) > 0) {
			t.Fatalf("%q: got %d orders and %v", raw, len(feed), err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "file: ") {
			t.Errorf("%q: got %v, want the name of the file", raw, err)
		}
		if bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
			return
		}
		var want []string
		valid := true
		for line := range strings.SplitSeq(string(raw), "\n") {
			if line = strings.Trim(line, " \t\r"); line == "" {
				continue
			}
			want = append(want, line)
			var object map[string]any
			valid = valid && json.Unmarshal([]byte(line), &object) == nil && object != nil
		}
		if (err == nil) != (valid && len(want) > 0) {
			t.Fatalf("%q: got %v, all objects: %t", raw, err, valid)
		}
		again, errAgain := parseFeed("file", []byte(gzipped(t, string(raw))))
		if len(raw) > 1 && ((errAgain == nil) != (err == nil) || !slices.Equal(bodies(again), bodies(feed))) {
			t.Errorf("%q: compressed: got %q, %v, want %q, %v", raw, bodies(again), errAgain, bodies(feed), err)
		}
		if err == nil && !slices.Equal(bodies(feed), want) {
			t.Errorf("%q: got %q, want %q", raw, bodies(feed), want)
		}
	})
}

func FuzzParseFeedOrder(f *testing.F) {
	for _, seed := range []string{`{"invoice":"1","customer":"2"}`, `{"invoice":1}`, `{}`, `null`, `[]`, `{"invoice":"\ud800"}`, `{"a":1,"a":2}`, `{`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		o, err := parseFeedOrder(line)

		var object map[string]any
		valid := json.Unmarshal(line, &object) == nil && object != nil
		if (err == nil) != valid {
			t.Fatalf("%q: got %v, want an error exactly if it is no object", line, err)
		}
		if err != nil {
			return
		}
		again, err := o.pass(1)
		if err != nil {
			t.Fatalf("%q: second pass: %v", line, err)
		}
		var got map[string]any
		if err := json.Unmarshal(again.body, &got); err != nil {
			t.Fatalf("%q became %q: %v", line, again.body, err)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(object)), slices.Sorted(maps.Keys(got))); diff != "" {
			t.Fatalf("%q became %q (-want +got):\n%s", line, again.body, diff)
		}
		if o.invoice != "" && got["invoice"] != o.invoice+"r1" {
			t.Errorf("%q became %q, want its invoice with a suffix", line, again.body)
		}
	})
}

func TestEmbeddedOrdersCarryTheirSource(t *testing.T) {
	t.Parallel()

	readme, err := os.ReadFile("data/README.md")
	if err != nil {
		t.Fatal(err)
	}

	for _, want := range []string{"10.24432/C5BW33", "CC BY 4.0"} {
		if !strings.Contains(string(readme), want) {
			t.Errorf("data/README.md: want %q in it", want)
		}
	}
}
