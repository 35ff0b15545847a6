package http

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/beatlabs/patron/encoding"
	psync "github.com/beatlabs/patron/sync"
)

// problemType is the media type of RFC 9457.
const problemType = "application/problem+json"

// defaultChallenge stands in 401 for an authenticator that has none of its own.
const defaultChallenge = "Bearer"

// problem is an answer that says what went wrong.
type problem struct {
	status     int
	detail     string // for the caller; empty: the status says it all
	faults     []psync.Fault
	payload    any           // instead of the problem; may be nil
	retryAfter time.Duration // 0: not said
	accept     []string      // media types that would have been fine; may be nil
}

// document is a problem as RFC 9457 spells it.
type document struct {
	Type          string        `json:"type"`
	Title         string        `json:"title"`
	Status        int           `json:"status"`
	Detail        string        `json:"detail,omitempty"`
	Errors        []psync.Fault `json:"errors,omitempty"`
	CorrelationID string        `json:"correlationID,omitempty"`
}

// WriteError answers a request of a raw handler or middleware with what err means, as for a processor: problem details (RFC 9457) with the status of a
// [psync.Error] or of an error of reading the body, else 500 without the text of err. The client gets text/plain if it does not accept JSON. The error itself
// goes to the span and the log of the request. Nothing may have been written before, and nothing should be written after; a nil err does nothing.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		return
	}
	if x := exchangeFrom(r.Context()); x != nil {
		x.fail(w, r, err)
		return
	}
	writeProblem(w, r, problemOf(err))
}

// fail answers with an error, and keeps it for the end of the exchange.
func (x *exchange) fail(w http.ResponseWriter, r *http.Request, err error) {
	x.err = err
	p := problemOf(err)
	switch {
	case x.body.err() != nil && errors.Is(err, x.body.err()): // whatever the processor made of it
		p = bodyProblem(x.body.err())
	case errors.Is(err, context.Canceled):
		p = x.abandoned(r.Context(), p)
	default:
	}
	if p.status == http.StatusServiceUnavailable && p.retryAfter > 0 {
		x.span.LogAt(slog.LevelWarn)
	}
	writeProblem(w, r, p)
}

// abandoned says who gave up when work was cancelled: the client, or the service that stops.
func (x *exchange) abandoned(ctx context.Context, p problem) problem {
	switch cause := context.Cause(ctx); {
	case cause == nil: // neither: something inside of the handler
		if coded, ok := errors.AsType[*psync.Error](x.err); ok && coded != nil {
			return p
		}
		return problem{status: http.StatusInternalServerError}
	case errors.Is(cause, context.Canceled):
		return problem{status: statusClientGone}
	default:
		return problem{status: http.StatusServiceUnavailable, detail: "the service is stopping", retryAfter: time.Second}
	}
}

// problemOf returns what a client is told about err. Only what a [psync.Error] means for it goes out.
func problemOf(err error) problem {
	if e, ok := errors.AsType[*psync.Error](err); ok && e != nil {
		return problem{status: e.HTTPStatus(), detail: e.Message, faults: e.Faults, payload: e.Payload, retryAfter: e.RetryAfter}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return bodyProblem(err)
	}
	if e, ok := errors.AsType[*encoding.MediaTypeError](err); ok {
		if errors.Is(e.Err, encoding.ErrAccept) {
			return problem{status: http.StatusNotAcceptable, detail: "available: " + strings.Join(e.Supported, ", ")}
		}
		return problem{status: http.StatusUnsupportedMediaType, detail: "supported: " + strings.Join(e.Supported, ", "), accept: e.Supported}
	}
	return problem{status: psync.CodeOf(err).HTTPStatus()}
}

// bodyProblem returns what a client is told about an error of reading its body.
func bodyProblem(err error) problem {
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return problem{status: http.StatusRequestEntityTooLarge, detail: "the body is larger than " + strconv.FormatInt(e.Limit, 10) + " bytes"}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problem{status: http.StatusRequestTimeout, detail: "the body came too slowly"}
	case errors.Is(err, io.ErrUnexpectedEOF):
		return problem{status: http.StatusBadRequest, detail: "the body is shorter than announced"}
	default:
		return problem{status: http.StatusBadRequest, detail: "the body cannot be read"}
	}
}

// writeProblem writes p in the format that the client accepts. With 401 it adds a challenge if there is none.
func writeProblem(w http.ResponseWriter, r *http.Request, p problem) {
	h := w.Header()
	if p.retryAfter > 0 {
		seconds := p.retryAfter / time.Second
		if p.retryAfter%time.Second > 0 { // rounded up, also next to the longest duration
			seconds++
		}
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if p.status == http.StatusUnauthorized && h.Get("WWW-Authenticate") == "" {
		h.Set("WWW-Authenticate", defaultChallenge)
	}
	if p.status == http.StatusRequestTimeout {
		h.Set("Connection", "close") // the rest of the body is in the way
	}
	if len(p.accept) > 0 {
		h.Set("Accept", strings.Join(p.accept, ", "))
	}
	contentType, body := p.encode(r)
	clearContent(h)
	h.Set("Content-Type", contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.status)
	_, _ = w.Write(body) //nolint:gosec // JSON or text, and nosniff; an error means that the client is gone
}

func (p problem) encode(r *http.Request) (contentType string, body []byte) {
	x := exchangeFrom(r.Context())
	if p.payload != nil && x != nil {
		if codec, err := x.component.config.codecs.ForAccept(accepted(r.Header)); err == nil {
			if body, err := codec.Encode(p.payload); err == nil {
				return codec.ContentType(), body
			}
		}
	}
	d := document{Type: "about:blank", Title: title(p.status), Status: p.status, Detail: p.detail, Errors: p.faults}
	if x != nil {
		d.CorrelationID = x.id[0]
	}
	// A problem is JSON, so who accepts JSON gets it under its own name.
	switch encoding.Negotiate(accepted(r.Header), problemType, "application/json", "application/json; charset=utf-8", "text/plain; charset=utf-8") {
	case 0, 1, 2:
		if body, err := json.Marshal(d); err == nil {
			return problemType, append(body, '\n')
		}
	default:
	}
	return "text/plain; charset=utf-8", d.text()
}

// text returns the problem for who cannot read JSON.
func (d document) text() []byte {
	var b strings.Builder
	b.WriteString(strconv.Itoa(d.Status) + " " + d.Title + "\n")
	if d.Detail != "" {
		b.WriteString(d.Detail + "\n")
	}
	for _, f := range d.Errors {
		b.WriteString(f.Pointer + ": " + f.Detail + "\n")
	}
	if d.CorrelationID != "" {
		b.WriteString("correlation ID: " + d.CorrelationID + "\n")
	}
	return []byte(b.String())
}

func title(status int) string {
	if status == statusClientGone {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// clearContent removes what a handler may have said about the content that now does not come.
func clearContent(h http.Header) {
	for _, key := range []string{
		"Content-Length", "Content-Encoding", "Content-Range", "Content-Disposition", "Content-Language", "Content-Location", "Content-Type",
		"Etag", "Last-Modified", "Cache-Control", "Expires", "Accept-Ranges", "Trailer",
	} {
		h.Del(key)
	}
}

// accepted returns the Accept header as one line.
func accepted(h http.Header) string {
	switch vv := h["Accept"]; len(vv) {
	case 0:
		return ""
	case 1:
		return vv[0]
	default:
		return strings.Join(vv, ", ")
	}
}
