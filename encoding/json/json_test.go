package json_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
	"github.com/google/go-cmp/cmp"
)

// faults decodes data into v and returns the faults as lines of pointer and detail.
func faults(tb testing.TB, data string, v any) []string {
	tb.Helper()
	err := json.DecodeRaw([]byte(data), v)
	e, ok := errors.AsType[*encoding.DataError](err)
	if !ok {
		tb.Fatalf("DecodeRaw(%.200s): got %v, want a DataError", data, err)
	}
	lines := make([]string, 0, len(e.Faults))
	for _, f := range e.Faults {
		lines = append(lines, strings.TrimSpace(f.Pointer+" "+f.Detail))
	}
	return lines
}

func TestEveryValueThatDoesNotFitIsNamed(t *testing.T) {
	t.Parallel()
	for data, c := range map[string]struct {
		target any
		want   []string
	}{
		`{"b":1,"i":"x","f64":true,"s":[],"y":{},"a":1e999,"pp":false}`: {new(scalars), []string{
			"/b must be a boolean, not a number",
			"/i must be an integer, not a string",
			"/f64 must be a number, not a boolean",
			"/s must be a string, not an array",
			"/y must be a string in base64, not an object",
			"/a must be within the range of a float of 64 bits",
			"/pp must be a string, not a boolean",
		}},
		`{"i8":128,"u8":-1,"u":1.0,"i":1e3,"i64":9223372036854775808,"u64":18446744073709551616,"f32":1e39,"y":"%","n":"x","B":"x"}`: {new(scalars), []string{
			"/i8 must be an integer from -128 to 127",
			"/u8 must be an integer from 0 to 255",
			"/u must be an integer, written without fraction and exponent",
			"/i must be an integer, written without fraction and exponent",
			"/i64 must be an integer from -9223372036854775808 to 9223372036854775807",
			"/u64 must be an integer from 0 to 18446744073709551615",
			"/f32 must be within the range of a float of 32 bits",
			"/y must be base64 (RFC 4648, section 4)",
			"/n is not valid",
			"/b must be a boolean, not a string",
		}},
		`{"c":1,"face":"x","func":[]}`: {new(scalars), []string{
			"/c must be left out",
			"/face must be left out",
			"/func must be left out",
		}},
		`{"i":1,"p":"x","f":"1e9","b":"tru","l":"1","t":"abc"}`: {new(quoted), []string{
			"/i must be a string that holds an integer",
			"/p must be a string that holds an integer",
			"/b must be a string that holds a boolean",
			"/l must be an array, not a string",
			"/t must be a string that holds a string",
		}},
		`{"list":[{"i":"x"},1],"grid":[[1,"x"],2],"array":[1,"2",3],"map":{"a~/b":"c"},"byInt":{"x":"y","300":1},"byF":{}}`: {new(containers), []string{
			"/list/0/i must be an integer, not a string",
			"/list/1 must be an object, not a number",
			"/grid/0/1 must be an integer, not a string",
			"/grid/1 must be an array, not a number",
			"/array/0 must be a string, not a number",
			"/map/a~0~1b must be an integer, not a string",
			"/byInt/x has a key that is not valid",
			"/byInt/300 has a key that is not valid",
			"/byInt/300 must be a string, not a number",
			"/byF must be left out",
		}},
		`{"time":"yesterday","ptime":7,"addr":"x","addrs":["1.1.1.1","x",1],"even":"abc","pair":[1],"ppair":[2,1],"pairs":{"a":"x"}}`: {new(methods), []string{
			"/time must be a time in the format of RFC 3339",
			"/ptime must be a time in the format of RFC 3339",
			"/addr is not valid",
			"/addrs/1 is not valid",
			"/addrs/2 must be a string, not a number",
			"/even is not valid",
			"/pair must be a pair",
			"/ppair/0 must be the lesser one",
			"/ppair/1 must be the greater one",
			"/pairs/a is not valid",
		}},
		`[1]`: {new(struct{ pair }), []string{"must be a pair"}},
		`[]`:  {new(scalars), []string{"must be an object, not an array"}},
		`300`: {new(int8), []string{"must be an integer from -128 to 127"}},
	} {
		if diff := cmp.Diff(c.want, faults(t, data, c.target)); diff != "" {
			t.Errorf("%s: want -, got +\n%s", data, diff)
		}
	}
}

func TestWhatIsNotJSONIsSaidWithItsPlaceAndWithoutTheData(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]string{
		"":                             "empty input: want a JSON value",
		" \r\n\t":                      "empty input: want a JSON value",
		"{\"i\":":                      "JSON that ends early, after byte 5",
		"\"abc":                        "JSON that ends early, after byte 4",
		"tru":                          "JSON that ends early, after byte 3",
		"{\"i\":1,}":                   "malformed JSON at byte 7",
		"secret":                       "malformed JSON at byte 0",
		"{'i':1}":                      "malformed JSON at byte 1",
		"{\"i\":01}":                   "malformed JSON at byte 6",
		"\"a\nb\"":                     "malformed JSON at byte 2",
		"\xef\xbb\xbf{}":               "malformed JSON at byte 0",
		"{} {}":                        "data after the JSON value, at byte 3",
		"{}\n\n]":                      "data after the JSON value, at byte 4",
		"1 secret":                     "data after the JSON value, at byte 2",
		"{\"s\":\"\xff\"}":             "invalid UTF-8 at byte 6",
		"\"\xed\xa0\x80\"":             "invalid UTF-8 at byte 1",
		strings.Repeat("[", 10_001):    "malformed JSON at byte 10000",
		"\"\\ud8\"":                    "malformed JSON at byte 5",
		"{\"s\":\"\uFFFD\",\"\xc3\":1": "invalid UTF-8 at byte 12",
	} {
		err := json.DecodeRaw([]byte(data), new(scalars))

		e, ok := errors.AsType[*encoding.DataError](err)
		if !ok || e.Detail != want || len(e.Faults) > 0 || e.Filled {
			t.Errorf("DecodeRaw(%.40q): got %#v, want a DataError %q", data, err, want)
		}
		if ok && strings.Contains(e.Error(), "secret") {
			t.Errorf("DecodeRaw(%.40q): the error quotes the data: %v", data, e)
		}
	}
}

func TestNothingOfTheDataIsInAFault(t *testing.T) {
	t.Parallel()
	data := `{"time":"secret","addr":"secret","big":"secret","even":"secret7","pair":"secret","after":"secret","unknown":"secret"}`

	err := json.DecodeRaw([]byte(data), new(methods))

	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	for _, line := range faults(t, data, new(methods)) {
		if strings.Contains(line, "secret") {
			t.Errorf("got %q", line)
		}
	}
}

func TestWhatFitsIsDecodedBesideWhatDoesNot(t *testing.T) {
	t.Parallel()
	// encoding/json stops at the time, because it comes from an UnmarshalJSON, and never gets to "after".
	data := `{"time":"x","pairs":{"bad":1,"good":[1,2]},"evens":["abc","ab"],"after":7}`
	var got methods

	err := json.DecodeRaw([]byte(data), &got)

	e, ok := errors.AsType[*encoding.DataError](err)
	if !ok || !e.Filled || len(e.Faults) != 3 {
		t.Fatalf("got %#v, want a DataError with 3 faults that is Filled", err)
	}
	if got.After != 7 || got.Pairs["good"] != (pair{1, 2}) || len(got.Evens) != 2 || *got.Evens[1] != "ab" {
		t.Errorf("got %+v, want all that fits", got)
	}
}

func TestAnErrorIsNotFilledIfSomethingIsMissing(t *testing.T) {
	t.Parallel()
	for data, v := range map[string]any{
		`{`:                          new(methods),
		`{"notNull":"x","after":7}`:  new(methods), // refuses the null in its place, too
		manyFaults(10_150):           new([]int),
		"[\"\xff\"]":                 new([]int),
		`{"X":1}`:                    new(embedding), // no data can go into *base
		`{"byInt":{"x":"y"},"any":[`: new(containers),
	} {
		if e, ok := errors.AsType[*encoding.DataError](json.DecodeRaw([]byte(data), v)); !ok || e.Filled {
			t.Errorf("DecodeRaw(%.60s): got %+v, want a DataError that is not Filled", data, e)
		}
	}
}

func manyFaults(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"x",`, n), ",") + "]" }

func TestFaultsAreBounded(t *testing.T) {
	t.Parallel()
	if got := faults(t, manyFaults(10_000), new([]int)); len(got) != 10_000 || got[9999] != "/9999 must be an integer, not a string" {
		t.Errorf("10000 faults: got %d, the last %q", len(got), got[len(got)-1])
	}
	if got := faults(t, manyFaults(10_001), new([]int)); len(got) != 10_000 || got[9999] != "has more faults than these 9999" {
		t.Errorf("10001 faults: got %d, the last %q", len(got), got[len(got)-1])
	}
	key := strings.Repeat("k", 1<<20)
	if got := faults(t, `{"map":{"`+key+`":"x"}}`, new(containers)); cmp.Diff([]string{"/map must be an integer, not a string"}, got) != "" {
		t.Errorf("a key of 1 MiB: got %.100q", got)
	}
	deep := strings.Repeat(`{"self":`, 9_000) + `1` + strings.Repeat("}", 9_000)
	if got := faults(t, deep, new(containers)); len(got) != 1 || len(got[0]) > 600 {
		t.Errorf("9000 levels: got %.100q", got)
	}
}

func TestDecodeReturnsTheErrorOfTheReader(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")

	err := json.Decode(io.MultiReader(strings.NewReader(`{"i":1}`), iotest.ErrReader(broken)), new(scalars))

	if err != broken { //nolint:errorlint // as it is
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestDecodeReadsAllOfTheReader(t *testing.T) {
	t.Parallel()
	var got scalars
	if err := json.Decode(iotest.OneByteReader(strings.NewReader(`{"i":7, "unknown":{}} `)), &got); err != nil || got.I != 7 {
		t.Errorf("got %d and error %v, want 7", got.I, err)
	}
	err := json.Decode(nil, &got)
	if e, ok := errors.AsType[*encoding.DataError](err); !ok || e.Detail != "empty input: want a JSON value" {
		t.Errorf("a nil reader: got %v", err)
	}
}

func TestNullIsAsIfAbsent(t *testing.T) {
	t.Parallel()
	got := scalars{I: 1, S: "x", P: new(int), Y: []byte("x")}

	if err := json.DecodeRaw([]byte(`{"i":null,"s":null,"p":null,"y":null}`), &got); err != nil {
		t.Fatalf("DecodeRaw: %v", err)
	}
	if err := json.DecodeRaw([]byte(`null`), &got); err != nil {
		t.Fatalf("DecodeRaw: %v", err)
	}

	if got.I != 1 || got.S != "x" || got.P != nil || got.Y != nil {
		t.Errorf("got %+v, want what can be nil to be nil and the rest untouched", got)
	}
}

func TestOfEqualNamesTheLastWins(t *testing.T) {
	t.Parallel()
	var got scalars
	if err := json.DecodeRaw([]byte(`{"i":1,"I":2,"i":3}`), &got); err != nil || got.I != 3 {
		t.Errorf("got %d and error %v, want 3", got.I, err)
	}
	// One that does not fit is a fault all the same: the sender cannot know which one counts.
	if got := faults(t, `{"i":"x","i":3}`, new(scalars)); len(got) != 1 {
		t.Errorf("got %q, want 1 fault", got)
	}
}

func TestAValueThatCannotBeUsedIsTheProgramsFault(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]any{"nil": nil, "no pointer": scalars{}, "a nil pointer": (*scalars)(nil)} {
		for _, data := range []string{`{}`, `{"i":"x"}`} {
			err := json.DecodeRaw([]byte(data), v)
			if _, isData := errors.AsType[*encoding.DataError](err); isData || !errors.Is(err, encoding.ErrValue) {
				t.Errorf("DecodeRaw into %s: got %v, want an error that is ErrValue", name, err)
			}
		}
	}
	for name, v := range map[string]any{"a channel": make(chan int), "infinity": math.Inf(1), "a failing MarshalJSON": failing{}} {
		if data, err := json.Encode(v); !errors.Is(err, encoding.ErrValue) || data != nil {
			t.Errorf("Encode of %s: got %s and %v, want an error that is ErrValue", name, data, err)
		}
	}
	if _, err := json.Encode(failing{}); !errors.Is(err, errFailing) {
		t.Errorf("Encode: got %v, want the error of MarshalJSON in it", err)
	}
}

var errFailing = errors.New("failing")

type failing struct{}

func (failing) MarshalJSON() ([]byte, error) { return nil, errFailing }

func TestEncodeWritesWhatEncodingJSONWrites(t *testing.T) {
	t.Parallel()
	v := map[string]any{"a": []int{1}, "b": "<&>", "c": nil}
	want, err := stdjson.Marshal(v)
	if err != nil {
		t.Fatalf("Marshal: %v", err)
	}
	if got, err := json.Encode(v); err != nil || !bytes.Equal(got, want) {
		t.Errorf("Encode: got %s and %v, want %s", got, err, want)
	}
}

func TestTheCodecsOfJSONKnowJSONAlone(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{json.Type}, json.Codecs().MediaTypes()); diff != "" {
		t.Errorf("MediaTypes: want -, got +\n%s", diff)
	}
	c, err := json.Codecs().ForAccept("")
	if err != nil || c.ContentType() != json.TypeCharset {
		t.Errorf("ForAccept: got %q and %v, want %q", c.ContentType(), err, json.TypeCharset)
	}
}

func TestFieldsFollowTheRulesOfEmbedding(t *testing.T) {
	t.Parallel()
	type plain struct {
		base
		Named base `json:"named"`
		left
		right
		Tagged `json:"tagged"`
		Tagless
		Quoted  int `json:",string"`
		Ignored int `json:"-"`
		hidden  int //nolint:unused // must not be seen
	}
	var got []string
	for _, f := range json.Fields(reflect.TypeFor[plain]()) {
		got = append(got, fmt.Sprint(f.Name, f.Index, " ", f.Quoted))
	}
	want := []string{"X[0 0] false", "named[1] false", "L[2 0] false", "R[3 0] false", "Pick[3 2] false", "tagged[4] false", "Tagless[5] false", "Quoted[6] true"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Fields: want -, got +\n%s", diff)
	}
}
