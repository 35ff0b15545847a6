package encoding_test

import (
	"cmp"
	"fmt"
	"slices"
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
		"application/json;q=high, application/x-protobuf;q=0.1": offers[1],
		"application/json;q=1.5, application/x-protobuf;q=0.1":  offers[1],
		"application/x-protobuf;q=0.5;ext=1;flag, text/plain":   offers[1],
		`text/plain;x="a,b", application/x-protobuf`:            offers[1],
		`text/plain;x="application/json, x`:                     offers[0],
		`bad;x="a, application/x-protobuf`:                      offers[0],
		",application/x-protobuf,":                              offers[1],
		"application/x-protobuf\t;\tq=1":                        offers[1],
		"application/problem+json":                              "",
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

func FuzzAccept(f *testing.F) {
	for _, s := range []string{"", "*/*", "application/json;q=0.5, */*;q=0.1", `a/b;c="d,e";q=1;f, g/h`, "application/json;q=0", `x;"`, "a/b;q=", ",,;"} {
		f.Add(s)
	}
	offers := []string{"application/json; charset=utf-8", "application/x-protobuf"}
	f.Fuzz(func(t *testing.T, accept string) {
		got := encoding.Negotiate(accept, offers...)

		if got < -1 || got >= len(offers) {
			t.Fatalf("Negotiate(%q): got %d", accept, got)
		}
		if strings.ContainsAny(accept, `"\`) { // another element would change the meaning of quotes that are not closed
			return
		}
		if twice := encoding.Negotiate(accept+","+accept, offers...); twice != got {
			t.Errorf("Negotiate(%q): got %d, said twice %d", accept, got, twice)
		}
		// With everything accepted, only what has the weight 0 can exclude an offer.
		if all := encoding.Negotiate("application/json, application/x-protobuf, "+accept, offers...); all < 0 && !strings.Contains(accept, "=0") {
			t.Errorf("Negotiate(%q) after ranges for all offers: got none", accept)
		}
	})
}

func BenchmarkNegotiate(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		encoding.Negotiate("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json; charset=utf-8", "application/x-protobuf")
	}
}
