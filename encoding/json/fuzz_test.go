package json_test

import (
	stdjson "encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/beatlabs/patron/encoding"
	"github.com/beatlabs/patron/encoding/json"
	"pgregory.net/rapid"
)

// agrees checks what must hold for any data: the codec fails exactly where encoding/json does, and accounts for it.
func agrees(tb testing.TB, data []byte, fresh func() any) {
	tb.Helper()
	theirs := fresh()
	want := stdjson.Unmarshal(data, theirs)
	ours := fresh()
	err := json.DecodeRaw(data, ours)
	if !utf8.Valid(data) {
		if err == nil {
			tb.Fatalf("DecodeRaw(%q): got nil for what is not UTF-8", data)
		}
		return
	}
	if (err == nil) != (want == nil) {
		tb.Fatalf("DecodeRaw(%q, %T): got %v, want %v", data, ours, err, want)
	}
	if err == nil {
		if !reflect.DeepEqual(ours, theirs) {
			tb.Fatalf("DecodeRaw(%q): got %#v, want %#v", data, ours, theirs)
		}
		return
	}
	e, ok := errors.AsType[*encoding.DataError](err)
	if !ok {
		tb.Fatalf("DecodeRaw(%q): got %T %v, want a DataError", data, err, err)
	}
	if stdjson.Valid(data) != (len(e.Faults) > 0) {
		tb.Fatalf("DecodeRaw(%q): got %d faults, valid JSON is %t", data, len(e.Faults), stdjson.Valid(data))
	}
	for _, f := range e.Faults {
		if f.Detail == "" || f.Pointer != "" && f.Pointer[0] != '/' || len(f.Pointer) > 520 {
			tb.Fatalf("DecodeRaw(%q): got fault %+v", data, f)
		}
		// The last resort for what only the value itself could explain. None of the types here needs it.
		if f == (encoding.Fault{Detail: "is not valid"}) && len(e.Faults) == 1 && !ownsItself(ours) {
			tb.Fatalf("DecodeRaw(%q, %T): the walk found nothing for %v", data, ours, want)
		}
	}
	// Nothing was overlooked if the rest of the document can be decoded; but for values that cannot even be left out.
	if stdjson.Valid(data) && !e.Filled && len(e.Faults) < encoding.MaxFaults && !ownsItself(ours) && !slices.ContainsFunc(e.Faults, cannotBeLeftOut) {
		tb.Fatalf("DecodeRaw(%q, %T): got faults %v, and there are more", data, ours, e.Faults)
	}
}

func cannotBeLeftOut(f encoding.Fault) bool {
	return strings.HasSuffix(f.Pointer, "/notNull") || f.Detail == "must be left out"
}

// ownsItself reports whether v decodes itself as a whole, so that the empty pointer is the right place for its fault.
func ownsItself(v any) bool {
	t := reflect.TypeOf(v)
	for t.Kind() == reflect.Pointer {
		_, isJSON := reflect.TypeAssert[stdjson.Unmarshaler](reflect.New(t).Elem())
		_, isText := reflect.TypeAssert[interface{ UnmarshalText([]byte) error }](reflect.New(t).Elem())
		if isJSON || isText {
			return true
		}
		t = t.Elem()
	}
	return false
}

// FuzzDecode is differential: no fault is found if and only if json.Unmarshal succeeds.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		``, ` `, `null`, `{}`, `[]`, `1`, `"x"`, `{"b":1,"i":"x","i8":300,"u":-1,"u8":256,"f32":1e39,"s":1,"y":"%","n":"x","a":1e999,"p":[],"pp":1}`,
		`{"i":1.0,"i64":1e3,"u64":18446744073709551616,"c":1,"face":1,"func":{}}`,
		`{"i":"1","p":"x","f":"1e9","b":"tru","s":"x","l":"1","t":"abc","n":"1"}`, `{"i":"null","s":"\"x\"","b":"true","t":"\"ab\""}`,
		`{"list":[{"i":"x"},1],"grid":[[1,"x"],2],"array":[1,"2",3],"map":{"a":"b"},"byInt":{"x":"y","300":1},"byAddr":{"x":1},"byF":{}}`,
		`{"self":{"self":{"grid":"x"}},"any":{"a":[1e999]},"ptrs":[null,{"i":1}],"arrays":{"a":[["x"],1]},"bytes":["%%%"]}`,
		`{"time":"x","ptime":null,"addr":"x","addrs":["1.1.1.1","x",1],"big":"x","even":"abc","evens":["a",null],"pair":[1],"ppair":[2,1],"after":"x"}`,
		`{"notNull":null,"pairs":{"a/b":[1],"c~":{}},"anon":{"Time":1},"pair":null}`,
		`{"I":1,"X":"x","named":{"x":"y"},"twice":"a","TWICE":"b","Fold":1,"Both":"x","Gone":"x","tagged":1,"Tagless":"x"}`,
		`{"a":1}x`, `{"a":`, "\"\xff\"", `{"a":1,}`, `"\ud800"`, `[[[[[[`, `{"b":true,"b":1}`, `{"\u0062":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, fresh := range targets() {
			agrees(t, data, fresh)
		}
	})
}

var (
	names = []string{
		"b", "i", "i8", "i64", "u", "u8", "u64", "f32", "f64", "s", "y", "n", "a", "p", "pp", "-", "c", "func", "face", "f", "l", "t", "list", "grid", "array",
		"map", "byInt", "byUint", "byAddr", "byEven", "byF", "self", "any", "ptrs", "arrays", "bytes", "time", "ptime", "addr", "addrs", "big", "raw", "even",
		"evens", "pair", "ppair", "pairs", "notNull", "after", "anon", "Time", "X", "x", "Both", "named", "Twice", "twice", "tWICE", "exact", "fold", "L", "R",
		"Gone", "Pick", "Picked", "Common", "T", "tagged", "Tagless", "300", "7", "ab", "unknown", "",
	}
	literals = []string{
		"null", "true", "false", "0", "-0", "1", "-1", "1.0", "1e3", "127", "128", "256", "1e39", "1e999", "18446744073709551616", `""`, `"x"`, `"ab"`, `"1"`,
		`"-1"`, `"true"`, `"null"`, `"\"ab\""`, `"1.1.1.1"`, `"2010-12-01T08:26:00Z"`, `"YQ=="`, `"%"`, `"\u0061\n"`,
	}
)

// TestEachValueIsJudgedAsEncodingJSONDoes has one value in a document, so that one misjudgement cannot hide behind another.
func TestEachValueIsJudgedAsEncodingJSONDoes(t *testing.T) {
	t.Parallel()
	values := slices.Concat(literals, []string{
		`[]`, `{}`, `[1,2]`, `[2,1]`, `[1]`, `["x"]`, `[null]`, `[[1]]`, `[{}]`, `{"a":1}`, `{"7":[true]}`, `{"ab":"x"}`, `{"A":1}`,
	})
	for _, fresh := range targets() {
		for _, value := range values {
			agrees(t, []byte(value), fresh)
			for _, name := range names {
				agrees(t, []byte(`{"`+name+`":`+value+`}`), fresh)
			}
		}
	}
}

// TestDecodingAgreesWithEncodingJSON goes where random bytes seldom get: valid JSON whose names are those of the types.
func TestDecodingAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	scalar := rapid.SampledFrom(literals)
	var value func(depth int) *rapid.Generator[string]
	value = func(depth int) *rapid.Generator[string] {
		if depth == 0 {
			return scalar
		}
		inner := value(depth - 1)
		return rapid.OneOf(scalar, rapid.Custom(func(t *rapid.T) string {
			return "[ " + strings.Join(rapid.SliceOfN(inner, 0, 3).Draw(t, "elements"), " , ") + "]"
		}), rapid.Custom(func(t *rapid.T) string {
			var members []string
			for range rapid.IntRange(0, 6).Draw(t, "members") {
				members = append(members, `"`+rapid.SampledFrom(names).Draw(t, "name")+`" : `+inner.Draw(t, "value"))
			}
			return "{" + strings.Join(members, ",\n") + "}"
		}))
	}
	all := targets()
	kinds := slices.Sorted(maps.Keys(all))
	rapid.Check(t, func(rt *rapid.T) {
		data := []byte(value(4).Draw(rt, "document"))
		for _, kind := range kinds {
			agrees(t, data, all[kind])
		}
	})
}

// FuzzFields is about the tags of a struct: whatever they are, the names are those that encoding/json writes.
func FuzzFields(f *testing.F) {
	for _, s := range []string{"", "a", "a,omitempty", "-", "-,", ",string", "a b", `a"b`, "ä/ö", "A", "a\\b", "'"} {
		f.Add(s, "b")
		f.Add("b", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsAny(a+b, "\"\\`") || !utf8.ValidString(a+b) {
			return // not a tag that Go could hold as it is
		}
		typ := reflect.StructOf([]reflect.StructField{
			{Name: "A", Type: reflect.TypeFor[int](), Tag: reflect.StructTag(`json:"` + a + `"`)},
			{Name: "B", Type: reflect.TypeFor[string](), Tag: reflect.StructTag(`json:"` + b + `"`)},
		})
		text, err := stdjson.Marshal(reflect.New(typ).Interface())
		if err != nil {
			t.Fatalf("Marshal: %v", err)
		}
		var members map[string]any
		if err := stdjson.Unmarshal(text, &members); err != nil {
			t.Fatalf("Unmarshal(%s): %v", text, err)
		}
		for _, field := range json.Fields(typ) {
			_, ok := members[field.Name]
			if !ok && !strings.Contains(a+b, "omit") {
				t.Errorf("tags %q and %q: got field %q, encoding/json writes %s", a, b, field.Name, text)
			}
			delete(members, field.Name)
		}
		if len(members) > 0 {
			t.Errorf("tags %q and %q: missing fields %v", a, b, members)
		}
	})
}
