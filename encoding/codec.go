package encoding

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// DecodeFunc reads data to its end and decodes it into v, which is a pointer. [Codec] says what it must keep to.
type DecodeFunc func(data io.Reader, v any) error

// DecodeRawFunc decodes data into v, which is a pointer, and keeps no part of data. [Codec] says what it must keep to.
type DecodeRawFunc func(data []byte, v any) error

// EncodeFunc returns v encoded, in a slice that belongs to the caller. [Codec] says what it must keep to.
type EncodeFunc func(v any) ([]byte, error)

// Codec is one format. Its functions are called concurrently and never panic, whatever the data and the value are.
//
// Decode and DecodeRaw return a [DataError] if the data is at fault, an error that wraps [ErrValue] if v is not something they can decode into, and an error
// of the reader as it is or wrapped with %w. After an error the content of v is not defined, unless the DataError says so by its field Filled. Decode holds
// no more of data than [MaxSize]; [ReadAll] helps. Encode returns an error that wraps ErrValue for a value it cannot encode.
type Codec struct {
	// MediaTypes are the media types of the format, the preferred one first: "application/json", in lower case and without parameters. At least one.
	MediaTypes []string
	// Suffix is the structured syntax suffix (RFC 6838, 4.2.8) whose media types are read, too: "+json". Empty: none. An answer is never negotiated by it,
	// because a media type with a suffix promises more than the syntax.
	Suffix string
	// Charset is the only value that a charset parameter may have, and is part of the content type of an answer: "utf-8". Empty: charset does not matter.
	Charset string

	Decode    DecodeFunc
	DecodeRaw DecodeRawFunc
	Encode    EncodeFunc

	contentType string // what was negotiated
}

// ContentType returns what to write into Content-Type beside encoded data: the media type that was negotiated if the codec comes from [Codecs.ForAccept],
// else the preferred one, with the charset.
func (c Codec) ContentType() string {
	if c.contentType != "" || len(c.MediaTypes) == 0 {
		return c.contentType
	}
	return c.withCharset(c.MediaTypes[0])
}

func (c Codec) withCharset(mediaType string) string {
	if c.Charset == "" {
		return mediaType
	}
	return mediaType + "; charset=" + c.Charset
}

func (c Codec) validate() error {
	var errs []error
	if len(c.MediaTypes) == 0 {
		errs = append(errs, errors.New("no media types: want at least one"))
	}
	for _, t := range c.MediaTypes {
		m, ok := parseMediaType(t)
		if !ok || m.typ+"/"+m.subtype != t || strings.ToLower(t) != t || m.isRange() {
			errs = append(errs, fmt.Errorf("media type %q: want type/subtype in lower case without parameters", t))
		}
	}
	if c.Suffix != "" && (!isToken(c.Suffix) || c.Suffix[0] != '+' || len(c.Suffix) < 2 || strings.ToLower(c.Suffix) != c.Suffix) {
		errs = append(errs, fmt.Errorf("suffix %q: want a plus sign and a name in lower case", c.Suffix))
	}
	if c.Charset != "" && !isToken(c.Charset) {
		errs = append(errs, fmt.Errorf("charset %q: want a token", c.Charset))
	}
	if c.Decode == nil || c.DecodeRaw == nil || c.Encode == nil {
		errs = append(errs, errors.New("nil function: want Decode, DecodeRaw and Encode"))
	}
	return errors.Join(errs...)
}
