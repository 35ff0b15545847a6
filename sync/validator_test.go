package sync_test

import (
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	psync "github.com/beatlabs/patron/sync"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// validate returns the faults of a value as lines of pointer and detail.
func validate[T any](tb testing.TB, value T) []string {
	tb.Helper()
	v, err := psync.NewValidator[T]()
	if err != nil {
		tb.Fatalf("NewValidator: %v", err)
	}
	var ll []string
	for _, f := range v.Validate(&value) {
		ll = append(ll, strings.TrimSpace(f.Pointer+" "+f.Detail))
	}
	return ll
}

type everyRule struct {
	Req     string         `json:"req"     validate:"required"`
	ReqP    *int           `json:"reqP"    validate:"required,min=1"`
	ReqL    []int          `json:"reqL"    validate:"required"`
	ReqM    map[string]int `json:"reqM"    validate:"required"`
	ReqI    any            `json:"reqI"    validate:"required"`
	ReqT    time.Time      `json:"reqT"    validate:"required"`
	ReqS    *string        `json:"reqS"    validate:"required"`
	Opt     string         `json:"opt"     validate:"optional,minlen=2"`
	OptN    int            `json:"optN"    validate:"optional,min=5"`
	Int     int8           `json:"int"     validate:"min=-5,max=5"`
	Uint    uint16         `json:"uint"    validate:"min=1,max=65000"`
	Float   float64        `json:"float"   validate:"min=-0.5,max=1e3"`
	PtrN    **int          `json:"ptrN"    validate:"max=3"`
	Len     string         `json:"len"     validate:"minlen=1,maxlen=3"`
	List    []string       `json:"list"    validate:"maxlen=2,each,minlen=1,pattern=^[a-z,]+$"`
	Grid    [][]int        `json:"grid"    validate:"each,maxlen=1,each,min=0"`
	Map     map[string]int `json:"map"     validate:"minlen=1,each,max=9"`
	Array   [2]*int        `json:"array"   validate:"each,required"`
	Enum    string         `json:"enum"    validate:"enum=a|b|"`
	EnumI   int            `json:"enumI"   validate:"enum=-1|0"`
	EnumU   uint8          `json:"enumU"   validate:"enum=0|255"`
	Pattern string         `json:"pattern" validate:"pattern=^(a|b),*$"`
}

func TestRulesThatAreKeptGiveNoFaults(t *testing.T) {
	t.Parallel()
	good := everyRule{
		Req: "x", ReqP: new(1), ReqL: []int{}, ReqM: map[string]int{}, ReqI: 0, ReqT: time.Unix(0, 0), ReqS: new(""), Uint: 1, Len: "äöü",
		List: []string{"a,b", "c"}, Grid: [][]int{{}, {0}}, Map: map[string]int{"a": 9}, Array: [2]*int{new(0), new(0)}, Enum: "", Pattern: "a,,",
	}
	if got := validate(t, good); got != nil {
		t.Errorf("got %q, want none", got)
	}
	good.Opt, good.OptN, good.PtrN, good.Enum, good.EnumI, good.EnumU, good.Int, good.Float = "ab", 5, new(new(3)), "b", -1, 255, -5, 1000
	if got := validate(t, good); got != nil {
		t.Errorf("got %q, want none", got)
	}
}

func TestRulesThatAreBrokenAreNamed(t *testing.T) {
	t.Parallel()
	want := []string{
		"/array/0 is required",
		"/array/1 is required",
		`/enum must be one of "a", "b", ""`,
		"/enumI must be one of -1, 0",
		"/enumU must be one of 0, 255",
		"/float must be at most 1e3",
		"/grid/0/0 must be at least 0",
		"/grid/1 must have at most 1 element",
		"/grid/1/1 must be at least 0",
		"/int must be at least -5",
		"/len must have at least 1 character",
		"/list must have at most 2 elements",
		"/list/0 must have at least 1 character",
		"/list/2 must match ^[a-z,]+$",
		"/map/a~1b must be at most 9",
		"/map/z must be at most 9",
		"/opt must have at least 2 characters",
		"/optN must be at least 5",
		"/pattern must match ^(a|b),*$",
		"/ptrN must be at most 3",
		"/req is required",
		"/reqI is required",
		"/reqL is required",
		"/reqM is required",
		"/reqP is required",
		"/reqS is required",
		"/reqT is required",
		"/uint must be at least 1",
	}
	got := validate(t, everyRule{
		Opt: "x", OptN: 4, Int: -6, Float: 1001, PtrN: new(new(4)), List: []string{"", "a", "A"}, Grid: [][]int{{-1}, {0, -1}},
		Map: map[string]int{"z": 10, "a/b": 11, "c": 9}, Enum: "c", EnumI: 1, EnumU: 7,
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
	if got := validate(t, everyRule{ReqP: new(0), Int: 6, Uint: 65001, Float: math.NaN(), Len: "äöüß"}); !strings.Contains(strings.Join(got, "\n"),
		"/float must be at least -0.5\n/int must be at most 5\n/len must have at most 3 characters") {
		t.Errorf("got %q", got)
	}
}

type country string

func (c country) Validate() []psync.Fault {
	if len(c) != 2 {
		return []psync.Fault{{Detail: "must be a country"}}
	}
	return nil
}

type address struct {
	Country country            `json:"country"`
	Others  []country          `json:"others"`
	ByName  map[string]country `json:"byName"`
	Ptr     *country           `json:"ptr"`
}

type parent struct {
	Base
	*Extra
	hidden  `json:"hidden"`
	Next    *parent `json:"next"`
	Address address `json:"address"`
	ByID    map[int]*address
	Skipped country `json:"-"`
	Iface   any     `json:"iface"`
}

type (
	Base struct {
		Name string `validate:"required"`
	}
	Extra struct {
		Level *int `validate:"required,min=1"`
	}
	hidden struct {
		Inner string `validate:"required"`
	}
)

func (b *Base) Validate() []psync.Fault {
	if b.Name == "bad" {
		return []psync.Fault{{Pointer: "Name", Detail: "is bad"}, {Detail: "is bad as a whole"}}
	}
	return nil
}

func TestMethodsAreCalledWhereverTheirValuesStand(t *testing.T) {
	t.Parallel()
	bad := address{Country: "x", Others: []country{"GB", "y"}, ByName: map[string]country{"a": "z", "b": "DE"}, Ptr: new(country("w"))}
	want := []string{
		"/ByID/7/byName/a must be a country",
		"/ByID/7/country must be a country",
		"/ByID/7/others/1 must be a country",
		"/ByID/7/ptr must be a country",
		"/Level is required",
		"/address/country must be a country",
		"/hidden/Inner is required",
		"/next is bad as a whole",
		"/next/Level must be at least 1",
		"/next/Name is bad",
		"/next/address/country must be a country",
		"/next/hidden/Inner is required",
	}
	got := validate(t, parent{
		Base: Base{"good"}, Skipped: "unseen", Iface: country("unseen"), ByID: map[int]*address{7: &bad, 8: nil},
		Next: &parent{Base: Base{"bad"}, Extra: &Extra{new(0)}},
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

func TestTheKeysOfMapsAreSpelledAsJSONDoes(t *testing.T) {
	t.Parallel()
	type keyed struct {
		ByAddr map[netip.Addr]country `json:"byAddr"`
		ByInt  map[int8]country       `json:"byInt"`
	}
	got := validate(t, keyed{
		ByAddr: map[netip.Addr]country{netip.MustParseAddr("::1"): "x", netip.MustParseAddr("10.0.0.1"): "GB"},
		ByInt:  map[int8]country{-7: "x", 7: "GB"},
	})
	if diff := cmp.Diff([]string{"/byAddr/::1 must be a country", "/byInt/-7 must be a country"}, got); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

type tree []tree

type ring struct {
	Next *ring  `json:"next"`
	Name string `json:"name" validate:"required"`
}

func TestRecursionEnds(t *testing.T) {
	t.Parallel()
	if got := validate(t, tree{tree{}, tree{tree{}}}); got != nil {
		t.Errorf("a tree without rules: got %q", got)
	}
	r := &ring{}
	r.Next = r
	if got := validate(t, r); len(got) != 10_000 || len(got[9998]) > 600 {
		t.Errorf("a ring: got %d faults", len(got))
	}
	r.Name = "x"
	if got := validate(t, r); got != nil {
		t.Errorf("a good ring: got %q", got)
	}
}

func TestNilIsNotLookedAt(t *testing.T) {
	t.Parallel()
	v, err := psync.NewValidator[line]()
	if err != nil {
		t.Fatalf("NewValidator: %v", err)
	}
	if got := v.Validate(nil); got != nil {
		t.Errorf("got %v, want none", got)
	}
	if got := validate[*line](t, nil); got != nil {
		t.Errorf("a nil pointer as the value: got %v, want none", got)
	}
}

func tagError[T any]() string {
	if _, err := psync.NewValidator[T](); err != nil {
		_, text, _ := strings.Cut(err.Error(), "tag validate: ")
		return text
	}
	return ""
}

func TestBadTagsAreNamed(t *testing.T) {
	t.Parallel()
	const unknown = ": want required, optional, min, max, minlen, maxlen, enum, pattern or each"
	for want, got := range map[string]string{
		`unknown rule "requird"` + unknown: tagError[struct {
			A string `validate:"requird"`
		}](),
		`unknown rule ""` + unknown: tagError[struct {
			A string `validate:"required,,minlen=1"`
		}](),
		`unknown rule " minlen"` + unknown: tagError[struct {
			A string `validate:"required, minlen=1"`
		}](),
		`unknown rule "each"` + unknown: tagError[struct {
			A []int `validate:"each=1"`
		}](),
		"required=1: want no value": tagError[struct {
			A string `validate:"required=1"`
		}](),
		"min: want a value": tagError[struct {
			A int `validate:"min="`
		}](),
		"max: want a value": tagError[struct {
			A int `validate:"max"`
		}](),
		"min is given twice": tagError[struct {
			A int `validate:"min=1,min=2"`
		}](),
		"min=x: want a value of int8": tagError[struct {
			A int8 `validate:"min=x"`
		}](),
		"max=300: want a value of int8": tagError[struct {
			A int8 `validate:"max=300"`
		}](),
		"min=-1: want a value of uint": tagError[struct {
			A uint `validate:"min=-1"`
		}](),
		"min=NaN: want a value of float64": tagError[struct {
			A float64 `validate:"min=NaN"`
		}](),
		"max=Inf: want a value of float32": tagError[struct {
			A float32 `validate:"max=Inf"`
		}](),
		"min=1: want a number, not string": tagError[struct {
			A string `validate:"min=1"`
		}](),
		"min is above max": tagError[struct {
			A int `validate:"min=2,max=1"`
		}](),
		"minlen is above maxlen": tagError[struct {
			A string `validate:"minlen=2,maxlen=1"`
		}](),
		"minlen=-1: want a length of at least 0": tagError[struct {
			A string `validate:"minlen=-1"`
		}](),
		"minlen=x: want a length of at least 0": tagError[struct {
			A string `validate:"minlen=x"`
		}](),
		"maxlen=1: want a string, a slice, an array or a map, not int": tagError[struct {
			A int `validate:"maxlen=1"`
		}](),
		"enum=1.5: want a string or an integer, not float64": tagError[struct {
			A float64 `validate:"enum=1.5"`
		}](),
		`enum=1|x: "x": want a value of int`: tagError[struct {
			A int `validate:"enum=1|x"`
		}](),
		`enum=1|-1: "-1": want a value of uint`: tagError[struct {
			A uint `validate:"enum=1|-1"`
		}](),
		"pattern=[: error parsing regexp: missing closing ]: `[`": tagError[struct {
			A string `validate:"pattern=["`
		}](),
		"pattern=x: want a string, not int": tagError[struct {
			A int `validate:"pattern=x"`
		}](),
		"each: want a slice, an array or a map, not string": tagError[struct {
			A string `validate:"each,minlen=1"`
		}](),
		"min=x: want a value of int": tagError[struct {
			A []int `validate:"each,min=x"`
		}](),
		"required and optional exclude each other": tagError[struct {
			A string `validate:"required,optional"`
		}](),
		"optional: a pointer may be nil unless it is required": tagError[struct {
			A *int `validate:"optional"`
		}](),
		"optional: want a string or a number, not []int": tagError[struct {
			A []int `validate:"optional"`
		}](),
		"required: the zero value of bool cannot be told from an absent one: want a pointer": tagError[struct {
			A bool `validate:"required"`
		}](),
		"want a field that JSON decodes": tagError[struct {
			A string `json:"-" validate:"required"`
		}](),
		"want a field that JSON decodes ": tagError[struct {
			a string `validate:"required"`
		}]() + " ",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := tagError[struct {
		A []*struct {
			B map[string]struct {
				C bool `validate:"required"`
			}
		}
	}](); !strings.HasPrefix(got, "required: ") {
		t.Errorf("a tag far below: got %q", got)
	}
}

func TestRulesAgreeWithAModel(t *testing.T) {
	t.Parallel()
	type ruled struct {
		Text string   `json:"text" validate:"optional,minlen=2,maxlen=4"`
		N    int      `json:"n"    validate:"min=-2,max=2"`
		List []uint8  `json:"list" validate:"minlen=1,maxlen=3,each,enum=1|2"`
		P    *float64 `json:"p"    validate:"min=0,max=1"`
	}
	v, err := psync.NewValidator[ruled]()
	if err != nil {
		t.Fatalf("NewValidator: %v", err)
	}
	rapid.Check(t, func(t *rapid.T) {
		value := ruled{
			Text: rapid.StringN(0, 6, -1).Draw(t, "text"),
			N:    rapid.IntRange(-4, 4).Draw(t, "n"),
			List: rapid.SliceOfN(rapid.Uint8Range(0, 3), 0, 5).Draw(t, "list"),
			P:    rapid.Ptr(rapid.Float64Range(-1, 2), true).Draw(t, "p"),
		}
		want := map[string]bool{}
		n := utf8.RuneCountInString(value.Text)
		want["/text"] = n == 1 || n > 4
		want["/n"] = value.N < -2 || value.N > 2
		want["/list"] = len(value.List) < 1 || len(value.List) > 3
		want["/p"] = value.P != nil && (*value.P < 0 || *value.P > 1)
		for i, e := range value.List {
			want["/list/"+strconv.Itoa(i)] = e != 1 && e != 2
		}

		for _, f := range v.Validate(&value) {
			if !want[f.Pointer] {
				t.Fatalf("%+v: got %+v", value, f)
			}
			delete(want, f.Pointer)
		}
		for pointer, broken := range want {
			if broken {
				t.Fatalf("%+v: got no fault for %s", value, pointer)
			}
		}
	})
}

func TestValidationOfWhatIsGoodAllocatesNothing(t *testing.T) {
	// not parallel: AllocsPerRun counts the allocations of the whole process
	v, err := psync.NewValidator[order]()
	if err != nil {
		t.Fatalf("NewValidator: %v", err)
	}
	o := order{Invoice: "536365", Customer: "17850", Time: time.Unix(1, 0), Lines: []line{{SKU: "a", Quantity: 1}, {SKU: "b", Quantity: 2}}}
	if n := testing.AllocsPerRun(100, func() {
		if ff := v.Validate(&o); ff != nil {
			t.Errorf("got %v, want none", ff)
		}
	}); n > 0 {
		t.Errorf("got %v allocations, want none", n)
	}
}

func FuzzTag(f *testing.F) {
	for _, s := range []string{
		"", "required", "min=1,max=2", "minlen=1,each,pattern=,", "enum=a|b", "each,each,each", "pattern=(", "optional,required", "=", ",", "min=1e9",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, tag string) {
		psync.CompileTag(t, tag)
	})
}

// FuzzRules reads a tag a second time, for an integer and a string, and compares what both readings make of the values.
func FuzzRules(f *testing.F) {
	for _, s := range []string{
		"", "required", "optional,min=1,max=2", "min=-1", "max=+7", "minlen=1,maxlen=3", "enum=a|b|", "enum=1|2", "pattern=^a,b$", "pattern=(", "optional,required",
		"=", ",", "min=1,", "min=3,max=2", "minlen=-1", "min=0x1", "min", "required=", "each", "each=1", "min=1,min=1", "enum=1||2", "minlen=2,maxlen=1", "pattern=",
	} {
		f.Add(s, int64(2), "a,b")
		f.Add(s, int64(0), "")
	}
	f.Fuzz(func(t *testing.T, tag string, n int64, s string) {
		for _, v := range []any{n, s} {
			ff, err := psync.Faults(tag, v)
			bad, ok := secondReading(tag, v)
			if (err == nil) != ok {
				t.Fatalf("tag %q of a %T: got %v, want an error: %t", tag, v, err, !ok)
			}
			if err == nil && (len(ff) > 0) != bad {
				t.Errorf("tag %q: %#v: got %v, want a fault: %t", tag, v, ff, bad)
			}
		}
	})
}

// secondReading reports whether v breaks the tag, and whether that is one for an int64 or a string.
func secondReading(tag string, v any) (bad, ok bool) {
	n, isInt := v.(int64)
	s, _ := v.(string)
	said := make(map[string]string)
	for rest, more := tag, tag != ""; more; {
		rule := rest
		if strings.HasPrefix(rest, "pattern=") {
			more = false
		} else {
			rule, rest, more = strings.Cut(rest, ",")
		}
		name, value, hasValue := strings.Cut(rule, "=")
		_, twice := said[name]
		plain := name == "required" || name == "optional"
		if twice || plain == hasValue || !plain && value == "" || isInt && !slices.Contains([]string{"optional", "min", "max", "enum"}, name) ||
			!isInt && !slices.Contains([]string{"required", "optional", "minlen", "maxlen", "enum", "pattern"}, name) {
			return false, false
		}
		said[name] = value
	}
	has := func(name string) bool { _, ok := said[name]; return ok }
	number := func(name string, otherwise int64) int64 {
		if !has(name) {
			return otherwise
		}
		x, err := strconv.ParseInt(said[name], 10, 64)
		ok = ok && err == nil
		return x
	}
	ok = !has("required") || !has("optional")
	least, most := number("min", math.MinInt64), number("max", math.MaxInt64)
	shortest, longest := number("minlen", 0), number("maxlen", math.MaxInt64)
	ok = ok && least <= most && 0 <= shortest && shortest <= longest
	among := !has("enum")
	for word := range strings.SplitSeq(said["enum"], "|") {
		x, err := strconv.ParseInt(word, 10, 64)
		ok = ok && (err == nil || !isInt || !has("enum"))
		among = among || isInt && x == n || !isInt && word == s
	}
	pattern, err := regexp.Compile(said["pattern"])
	if !ok || err != nil {
		return false, false
	}
	length := int64(utf8.RuneCountInString(s))
	switch zero := n == 0 && s == ""; {
	case zero && has("optional"):
		return false, true
	case zero && has("required"):
		return true, true
	default:
		return !among || n < least || n > most || length < shortest || length > longest || !pattern.MatchString(s), true
	}
}
