package http

import (
	"fmt"
	"io"
	"net/http"

	"github.com/beatlabs/patron/reliability"
)

// BodyTooLargeError says that the body of a response is larger than [WithMaxResponseBody] allows.
type BodyTooLargeError struct {
	Limit int64 // in bytes
}

// Error says what the limit is.
func (e *BodyTooLargeError) Error() string {
	return fmt.Sprintf("response body over %d bytes", e.Limit)
}

// Class returns reliability.ClassPermanent: another try gives the same body.
func (e *BodyTooLargeError) Class() reliability.Class { return reliability.ClassPermanent }

// limitBody makes resp fail where its body passes limit.
func limitBody(resp *http.Response, method string, limit int64) error {
	if resp.Body == nil || resp.Body == http.NoBody || resp.StatusCode == http.StatusSwitchingProtocols {
		return nil
	}
	empty := method == http.MethodHead || resp.StatusCode == http.StatusNoContent || resp.StatusCode == http.StatusNotModified
	if resp.ContentLength > limit && !empty {
		return &BodyTooLargeError{Limit: limit}
	}
	resp.Body = &limitedBody{ReadCloser: resp.Body, left: limit, limit: limit}
	return nil
}

// limitedBody is a body that fails when more than limit bytes come.
type limitedBody struct {
	io.ReadCloser

	left  int64 // below 0: failed
	limit int64
}

// Read reads at most one byte more than is left, to tell a body of exactly the limit from a larger one.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, &BodyTooLargeError{Limit: b.limit}
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p))-1 > b.left {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) <= b.left {
		b.left -= int64(n)
		return n, err
	}
	n = int(b.left)
	b.left = -1
	return n, &BodyTooLargeError{Limit: b.limit}
}
