package encoding_test

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/beatlabs/patron/encoding"
	"pgregory.net/rapid"
)

func TestNegotiateFollowsTheRFC(t *testing.T) {
	t.Parallel()
	offers := []string{"application/json; charset=utf-8", "application/x-protobuf", "text/html;level=1"}
	for accept, want := range map[string]string{
		"":                       offers[0],
		" ":                      offers[0],
		"*/*":                    offers[0],
		"*/*;q=0.8":              offers[0],
		"application/*":          offers[0],
		"text/*":                 offers[2],
		"application/json":       offers[0],
		"APPLICATION/JSON":       offers[0],
		"application/x-protobuf": offers[1],
		"application/json;q=0.5, application/x-protobuf":            offers[1],
		"application/json;q=0.5,application/x-protobuf;q=0.4":       offers[0],
		"application/x-protobuf, */*":                               offers[1],
		"*/*, application/x-protobuf":                               offers[1],
		"application/x-protobuf, application/json":                  offers[0],
		"application/json;q=0, */*":                                 offers[1],
		"application/json;q=0, application/x-protobuf;q=0, */*":     offers[2],
		"application/*;q=0, */*;q=0.1":                              offers[2],
		"application/json;charset=utf-8":                            offers[0],
		`application/json;charset="UTF-8"`:                          offers[0],
		"application/json;charset=latin1":                           "",
		"application/json;charset=utf-8;q=0, application/json":      "", // the range that names it best excludes it
		"text/html;level=1;q=0.3, text/html;q=0.7":                  offers[2],
		"text/html;level=2":                                         "",
		"text/html":                                                 offers[2],
		"text/plain":                                                "",
		"image/png, text/plain;q=0.5":                               "",
		"application/json;q=0":                                      "",
		"*/*;q=0":                                                   "",
		"application/json;q=0.000":                                  "",
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*": offers[2],
		"nonsense":                         offers[0],
		";;;, ,":                           offers[0],
		"nonsense, application/x-protobuf": offers[1],
		"application/json;q=high, application/x-protobuf;q=0.1":     offers[1],
		"application/json;q=1.5, application/x-protobuf;q=0.1":      offers[1],
		"application/x-protobuf;q=0.5;ext=1;flag, text/plain":       offers[1],
		`text/plain;x="a,b", application/x-protobuf`:                offers[1],
		`text/plain;x="application/json, x`:                         offers[0],
		`bad;x="a, application/x-protobuf`:                          offers[0],
		",application/x-protobuf,":                                  offers[1],
		"application/x-protobuf\t;\tq=1":                            offers[1],
		"application/x-protobuf;q=0.5 ext, text/html;level=1;q=0.1": offers[2], // an extension without a semicolon
		"application/problem+json":                                  "",
	} {
		got := ""
		if i := encoding.Negotiate(accept, offers...); i >= 0 {
			got = offers[i]
		}
		if got != want {
			t.Errorf("Negotiate(%q): got %q, want %q", accept, got, want)
		}
	}
}

func TestNegotiateNeverChoosesAnOfferThatIsNoMediaType(t *testing.T) {
	t.Parallel()
	if got := encoding.Negotiate("*/*", "", "json", "text/*", "text/plain"); got != 3 {
		t.Errorf("Negotiate: got %d, want 3", got)
	}
	if got := encoding.Negotiate("*/*"); got != -1 {
		t.Errorf("Negotiate without offers: got %d, want -1", got)
	}
}

// acceptRange is a range as the model has it: with the parameter p or without.
type acceptRange struct {
	typ, subtype, param string
	quality             int
}

func (r acceptRange) text(t *rapid.T) string {
	space := func() string { return rapid.SampledFrom([]string{"", " ", "\t", "  "}).Draw(t, "space") }
	s := space() + r.typ + "/" + r.subtype
	if r.param != "" {
		value := rapid.SampledFrom([]string{r.param, `"` + r.param + `"`, strings.ToUpper(r.param)}).Draw(t, "value")
		s += space() + ";" + space() + "p=" + value
	}
	if r.quality < 1000 || rapid.Bool().Draw(t, "weight said") {
		s += space() + ";" + space() + "q=" + fmt.Sprintf("%d.%03d", r.quality/1000, r.quality%1000)
	}
	return s + space()
}

func (r acceptRange) specificity(o acceptRange) int {
	switch {
	case r.param != "" && r.param != o.param, r.typ != "*" && r.typ != o.typ, r.subtype != "*" && r.subtype != o.subtype:
		return -1
	}
	n := 0
	for _, said := range []bool{r.typ != "*", r.subtype != "*", r.param != ""} {
		if said {
			n++
		}
	}
	return n
}

func TestNegotiateAgreesWithAModel(t *testing.T) {
	t.Parallel()
	name := rapid.SampledFrom([]string{"a", "b"})
	param := rapid.SampledFrom([]string{"", "x", "y"})
	ranges := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) acceptRange {
		r := acceptRange{typ: name.Draw(t, "type"), subtype: name.Draw(t, "subtype"), param: param.Draw(t, "param")}
		r.quality = rapid.SampledFrom([]int{0, 1, 500, 999, 1000}).Draw(t, "quality")
		switch rapid.IntRange(0, 3).Draw(t, "stars") {
		case 0:
			r.typ, r.subtype = "*", "*"
		case 1:
			r.subtype = "*"
		}
		return r
	}), 1, 5)
	offers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) acceptRange {
		return acceptRange{typ: name.Draw(t, "type"), subtype: name.Draw(t, "subtype"), param: param.Draw(t, "param"), quality: 1000}
	}), 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		rr, oo := ranges.Draw(t, "ranges"), offers.Draw(t, "offers")

		want, wantQuality, wantSpecificity := -1, 0, -1
		for i, o := range oo {
			best := slices.MaxFunc(rr, func(a, b acceptRange) int {
				return cmp.Or(cmp.Compare(a.specificity(o), b.specificity(o)), cmp.Compare(a.quality, b.quality))
			})
			s := best.specificity(o)
			if s < 0 || best.quality == 0 {
				continue
			}
			if best.quality > wantQuality || best.quality == wantQuality && s > wantSpecificity {
				want, wantQuality, wantSpecificity = i, best.quality, s
			}
		}
		var accept, offered []string
		for _, r := range rr {
			accept = append(accept, r.text(t))
		}
		for _, o := range oo {
			s := o.typ + "/" + o.subtype
			if o.param != "" {
				s += ";p=" + o.param
			}
			offered = append(offered, s)
		}
		header := strings.Join(accept, ",")
		if got := encoding.Negotiate(header, offered...); got != want {
			t.Fatalf("Negotiate(%q, %q): got %d, want %d", header, offered, got, want)
		}
	})
}

// naive is Negotiate the plain way, for headers without quoted strings: split at commas and semicolons.
func naive(accept string, offers []string) int {
	var ranges []plainRange
	for element := range strings.SplitSeq(accept, ",") {
		if r, ok := readRange(element); ok {
			ranges = append(ranges, r)
		}
	}
	if len(ranges) == 0 {
		return 0
	}
	best, bestWeight, bestRank := -1, 0, -1
	for i, offer := range offers {
		o, _ := readRange(offer)
		weight, rank := 0, -1
		for _, r := range ranges {
			switch at := r.rank(o); {
			case at > rank:
				rank, weight = at, r.weight
			case at == rank && at >= 0:
				weight = max(weight, r.weight)
			}
		}
		if weight > bestWeight || weight == bestWeight && weight > 0 && rank > bestRank {
			best, bestWeight, bestRank = i, weight, rank
		}
	}
	return best
}

type plainRange struct {
	typ, subtype string
	params       map[string]string
	count        int
	weight       int
}

// rank says how specifically r names o, -1 for not at all.
func (r plainRange) rank(o plainRange) int {
	for name, value := range r.params {
		if have, ok := o.params[name]; !ok || have != value {
			return -1
		}
	}
	switch {
	case r.typ == "*":
		return r.count
	case r.typ == o.typ && r.subtype == "*":
		return 1 + r.count
	case r.typ == o.typ && r.subtype == o.subtype:
		return 2 + r.count
	default:
		return -1
	}
}

func readRange(element string) (plainRange, bool) {
	token := regexp.MustCompile("\\A[!#$%&'*+.^_`|~0-9a-z-]+\\z")
	r := plainRange{params: make(map[string]string), weight: 1000}
	lower := strings.Map(func(r rune) rune { // in ASCII alone: the sign of Kelvin is no k
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, element)
	parts := strings.Split(lower, ";")
	var ok bool
	if r.typ, r.subtype, ok = strings.Cut(strings.Trim(parts[0], " \t"), "/"); !ok {
		return r, false
	}
	if !token.MatchString(r.typ) || !token.MatchString(r.subtype) || r.typ == "*" && r.subtype != "*" {
		return r, false
	}
	weighed := false
	for _, part := range parts[1:] {
		name, value, hasValue := strings.Cut(strings.Trim(part, " \t"), "=")
		switch {
		case name == "" && !hasValue:
		case !token.MatchString(name) || hasValue && !token.MatchString(value) || !hasValue && !weighed:
			return r, false
		case weighed: // an extension
		case name == "q":
			weighed = true
			if r.weight, ok = readWeight(value); !ok {
				return r, false
			}
		default:
			if before, twice := r.params[name]; twice && before != value {
				return r, false
			}
			r.params[name] = value
			r.count++
		}
	}
	return r, r.count <= 16
}

// readWeight gives thousandths; what is above 0 stays above 0.
func readWeight(s string) (int, bool) {
	m := regexp.MustCompile(`\A(?:(1)(?:\.0*)?|0(?:\.([0-9]*))?)\z`).FindStringSubmatch(s)
	switch {
	case m == nil:
		return 0, false
	case m[1] == "1":
		return 1000, true
	}
	n, _ := strconv.Atoi((m[2] + "000")[:3])
	if strings.Trim(m[2], "0") != "" {
		n = max(n, 1)
	}
	return n, true
}

// FuzzAccept compares with the plain way.
func FuzzAccept(f *testing.F) {
	for _, s := range []string{
		"", "*/*", "application/json;q=0.5, */*;q=0.1", `a/b;c="d,e";q=1;f, g/h`, "application/json;q=0", `x;"`, "a/b;q=", ",,;",
		"text/html;level=1;q=0.3, text/html;q=0.7",
		"application/*;charset=UTF-8;q=0.0009;x;y=z", "application/json;;q=1.0000, application/x-protobuf;q=1.", "*/json, a/b;c", "text/*;q=0.2;q=1",
		"application/json;a=b;A=c", "application/json\xff, \u212a/*",
	} {
		f.Add(s)
	}
	offers := []string{"application/json; charset=utf-8", "application/x-protobuf", "text/html;level=1"}
	f.Fuzz(func(t *testing.T, accept string) {
		got := encoding.Negotiate(accept, offers...)
		if got < -1 || got >= len(offers) {
			t.Fatalf("Negotiate(%q): got %d", accept, got)
		}
		if strings.Contains(accept, `"`) { // a quoted string may hold commas, or not end
			return
		}
		if want := naive(accept, offers); got != want {
			t.Fatalf("Negotiate(%q): got %d, want %d", accept, got, want)
		}
		if twice := encoding.Negotiate(accept+","+accept, offers...); twice != got {
			t.Errorf("Negotiate(%q): got %d, said twice %d", accept, got, twice)
		}
	})
}

func BenchmarkNegotiate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		encoding.Negotiate("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json; charset=utf-8", "application/x-protobuf")
	}
}
