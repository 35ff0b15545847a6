package http

import (
	"context"
	"errors"
	"net/http"

	"github.com/beatlabs/patron/reliability"
)

// statusClientGone is what proxies record for a client that did not wait for the answer. RFC 9110 has no such status.
const statusClientGone = 499

// end is deferred around everything else; r is the request of net/http. It is the one place that recovers: a panic becomes a 500 if nothing was written, else
// it cuts the connection, because the client must not take half an answer for a whole one. Last of all the request is counted, traced and, if it failed,
// logged.
func (x *exchange) end(r *http.Request) {
	value := recover()                        //nolint:revive // end is what is deferred
	r.MultipartForm = x.request.MultipartForm // net/http removes the files of this one
	if !x.began {
		x.begin(x.component.router.fallback)
	}
	abort := false
	switch value {
	case nil:
		if !x.returned { // runtime.Goexit: net/http closes the connection
			x.span.SetErrorType("aborted")
			x.close()
			return
		}
	case http.ErrAbortHandler: // the very value, as net/http compares it: a wrapped one is a panic like any other
		x.span.SetErrorType("aborted")
		abort = true
	default:
		x.err = reliability.Recovered(value)
		abort = !x.answerPanic()
	}
	if !abort {
		x.finish()
	}
	x.close()
	if abort {
		panic(http.ErrAbortHandler)
	}
}

// answerPanic answers with 500 if it can.
func (x *exchange) answerPanic() bool {
	if x.wrote || x.hijacked {
		return false
	}
	clearContent(x.rw.Header())
	writeProblem(x, &x.request, problem{status: http.StatusInternalServerError})
	return true
}

// finish prepares what net/http does after the handler: it writes the header if nobody has, and reads what is left of the body, which must not take for ever.
func (x *exchange) finish() {
	if x.hijacked {
		return
	}
	if !x.wrote {
		x.commit()
		if x.clientGone() {
			x.status = statusClientGone
		}
	}
	x.body.abandon()
}

// clientGone reports whether the client did not wait for the answer.
func (x *exchange) clientGone() bool {
	ctx := x.context
	return ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled) && x.body.err() == nil
}
