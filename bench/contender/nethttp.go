package contender

import "net/http"

// rawHandler is net/http with nothing around it.
func rawHandler(*telemetry) (http.Handler, error) {
	shop, mux := newShop(), http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", shop.getUser)
	mux.HandleFunc("POST /orders", shop.postOrder)
	return mux, nil
}
