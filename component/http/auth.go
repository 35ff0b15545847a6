package http

import (
	"fmt"
	"net/http"

	psync "github.com/beatlabs/patron/sync"
)

// Authenticator says who may use a route.
type Authenticator interface {
	// Authenticate reports whether the sender of req is known. False is answered with 401, an error with what it means: the status of a [psync.Error], else 500.
	// It is called concurrently, before the body is read, and leaves the body alone.
	Authenticate(req *http.Request) (bool, error)
}

// Challenger is implemented by an [Authenticator] that says how to authenticate.
type Challenger interface {
	// Challenge returns the value of the header WWW-Authenticate of a 401 (RFC 9110, 11.6.1): `Basic realm="orders"`. Without it the value is "Bearer".
	Challenge(req *http.Request) string
}

// authenticated asks auth before next.
func authenticated(auth Authenticator, next http.Handler) http.Handler {
	challenger, _ := auth.(Challenger)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ok, err := auth.Authenticate(r)
		switch {
		case err != nil:
			WriteError(w, r, fmt.Errorf("authenticate: %w", err))
		case !ok:
			if challenger != nil {
				w.Header().Set("WWW-Authenticate", challenger.Challenge(r))
			}
			WriteError(w, r, &psync.Error{Code: psync.Unauthenticated})
		default:
			next.ServeHTTP(w, r)
		}
	})
}
