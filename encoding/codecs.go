package encoding

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Codecs is a set of codecs, found by content type. It is made by [NewCodecs], does not change, and may be used concurrently.
type Codecs struct {
	codecs []Codec // in the order of preference
	offers []offer // every media type of every codec, in the order of preference
	types  []string
	exact  map[string]int // Content-Type or Accept, spelled as we would, to the index of its offer: skips the parser for what nearly everybody sends
}

// offer is a media type that can be written. Its codec carries it as the content type.
type offer struct {
	mediaType mediaType
	codec     Codec
	index     int // of the codec in the set
}

// NewCodecs returns the set of the given codecs. The order is the order of preference; the first one is the default, for bodies without a content type and
// for callers who accept anything. It wants at least one codec, and every media type and suffix once.
func NewCodecs(cc ...Codec) (*Codecs, error) {
	if len(cc) == 0 {
		return nil, errors.New("encoding: no codecs: want at least one")
	}
	s := &Codecs{codecs: make([]Codec, 0, len(cc)), exact: make(map[string]int)}
	seen := make(map[string]bool)
	var errs []error
	for i, c := range cc {
		if err := c.validate(); err != nil {
			errs = append(errs, fmt.Errorf("encoding: codec %d: %w", i, err))
			continue
		}
		for _, name := range append(slices.Clone(c.MediaTypes), c.Suffix) {
			if name != "" && seen[name] {
				errs = append(errs, fmt.Errorf("encoding: codec %d: %s is given twice", i, name))
			}
			seen[name] = true
		}
		s.add(c)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Codecs) add(c Codec) {
	c.MediaTypes = slices.Clone(c.MediaTypes)
	c.contentType = ""
	for _, t := range c.MediaTypes {
		o := offer{codec: c, index: len(s.codecs)}
		o.codec.contentType = c.withCharset(t)
		o.mediaType, _ = parseMediaType(o.codec.contentType)
		s.exact[t] = len(s.offers)
		s.exact[o.codec.contentType] = len(s.offers)
		s.offers = append(s.offers, o)
	}
	s.types = append(s.types, c.MediaTypes...)
	s.codecs = append(s.codecs, c)
}

// MediaTypes returns every media type of the set in the order of preference, in a slice that belongs to the caller: what the header Accept of a 415 lists.
func (s *Codecs) MediaTypes() []string { return slices.Clone(s.types) }

// ForContentType returns the codec of a body with this Content-Type; an empty header gives the default. Type, subtype and charset are compared without regard
// to case, other parameters are ignored. What the set does not read, a charset that the format does not have, and a header that is not a media type
// give a [*MediaTypeError] that wraps [ErrContentType].
func (s *Codecs) ForContentType(header string) (Codec, error) {
	if header == "" {
		return s.codecs[0], nil
	}
	if i, ok := s.exact[header]; ok {
		return s.codecs[s.offers[i].index], nil
	}
	m, ok := parseMediaType(header)
	if !ok || m.isRange() {
		if isBlank(header) {
			return s.codecs[0], nil
		}
		return Codec{}, s.contentTypeError(header)
	}
	c := s.find(m)
	if c == nil {
		return Codec{}, s.contentTypeError(header)
	}
	if charset, ok := m.param("charset"); ok && c.Charset != "" && !strings.EqualFold(charset, c.Charset) {
		return Codec{}, s.contentTypeError(header)
	}
	return *c, nil
}

// find prefers the media type itself to its suffix.
func (s *Codecs) find(m mediaType) *Codec {
	for i := range s.offers {
		if m.sameType(s.offers[i].mediaType) {
			return &s.codecs[s.offers[i].index]
		}
	}
	for i := range s.codecs {
		suffix := s.codecs[i].Suffix
		if cut := len(m.subtype) - len(suffix); suffix != "" && cut > 0 && strings.EqualFold(m.subtype[cut:], suffix) {
			return &s.codecs[i]
		}
	}
	return nil
}

// ForAccept returns the codec for an answer to a request with this Accept header (RFC 9110, 12.5.1); several header lines are joined by commas first. The
// codec's ContentType is the media type that was negotiated. An empty header accepts anything. If nothing fits, it returns a [*MediaTypeError] that wraps
// [ErrAccept]. See [Negotiate] for how the choice is made.
func (s *Codecs) ForAccept(header string) (Codec, error) {
	if header == "" || header == "*/*" {
		return s.offers[0].codec, nil
	}
	if i, ok := s.exact[header]; ok {
		return s.offers[i].codec, nil
	}
	i := negotiate(header, len(s.offers), func(i int) mediaType { return s.offers[i].mediaType })
	if i < 0 {
		return Codec{}, &MediaTypeError{Header: header, Supported: s.MediaTypes(), Err: ErrAccept}
	}
	return s.offers[i].codec, nil
}

func (s *Codecs) contentTypeError(header string) error {
	return &MediaTypeError{Header: header, Supported: s.MediaTypes(), Err: ErrContentType}
}
