package encoding

// Negotiate returns the index of the offered media type that an Accept header prefers (RFC 9110, 12.5.1), or -1 if it accepts none of them. The offers are in
// the server's order of preference, may have parameters, and must be well formed: others are never chosen.
//
// For each offer the most specific range that contains it decides its weight, and weight 0 excludes it. A range with parameters contains only offers that
// have them with the same values, compared without regard to case. The highest weight wins; of equal weights the offer that is named more specifically, then
// the one that comes first. Elements that cannot be read are skipped; a header in which nothing can be read, an empty one included, accepts anything.
func Negotiate(accept string, offers ...string) int {
	return negotiate(accept, len(offers), func(i int) mediaType {
		m, _ := parseMediaType(offers[i])
		return m
	})
}

func negotiate(accept string, n int, offer func(int) mediaType) int {
	best, bestQuality, bestSpecificity := -1, 0, -1
	for i := range n {
		o := offer(i)
		if o.typ == "" || o.isRange() {
			continue
		}
		quality, specificity, readable := rate(accept, o)
		if !readable {
			return i
		}
		if quality > bestQuality || quality == bestQuality && quality > 0 && specificity > bestSpecificity {
			best, bestQuality, bestSpecificity = i, quality, specificity
		}
	}
	return best
}

// rate returns the weight of the offer and how specifically the range that decided it names it; readable says whether there was any range at all.
func rate(accept string, offer mediaType) (quality, specificity int, readable bool) {
	specificity = -1
	p := parser{s: accept}
	for more := true; more; more = p.nextElement() {
		start := p.i
		r, ok := p.mediaType(true)
		if !ok {
			p.i = start // the next comma is looked for outside of quotes, so from the beginning
			continue
		}
		readable = true
		switch s := r.specificity(offer); {
		case s < 0 || s < specificity:
		case s > specificity:
			quality, specificity = r.quality, s
		default:
			quality = max(quality, r.quality)
		}
	}
	return quality, specificity, readable
}
