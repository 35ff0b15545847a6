// Command nethttp is the smallest server there is: what Go itself weighs.
package main

import (
	"net/http"
	"os"
	"time"
)

func main() {
	server := &http.Server{Addr: ":50000", Handler: http.NotFoundHandler(), ReadHeaderTimeout: 5 * time.Second}
	if err := server.ListenAndServe(); err != nil {
		_, _ = os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
