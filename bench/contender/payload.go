package contender

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// bodyLimit is how much of a body is read by those who bound it: patron's default.
const bodyLimit = 1 << 20

// User is the answer to GET /users/{id}.
type User struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Email  string   `json:"email"`
	Active bool     `json:"active"`
	Roles  []string `json:"roles"`
	Age    int      `json:"age"`
}

// UserJSON is the body of the answer to GET /users/4711: 111 bytes.
const UserJSON = `{"id":"4711","name":"Ada Lovelace","email":"ada@example.com","active":true,"roles":["admin","editor"],"age":36}`

// newUser returns the user with the given ID. The roles are shared, since a database would not be asked for them either.
func newUser(id string, roles []string) User {
	return User{ID: id, Name: "Ada Lovelace", Email: "ada@example.com", Active: true, Roles: roles, Age: 36}
}

// Order is what POST /orders takes. The tags are for patron's Handle; everybody else calls check.
type Order struct {
	Invoice  string `json:"invoice"  validate:"required,maxlen=32"`
	Customer string `json:"customer" validate:"required,maxlen=32"`
	Country  string `json:"country"  validate:"required,maxlen=64"`
	Lines    []Line `json:"lines"    validate:"minlen=1,maxlen=1000"`
}

// Line is one article of an [Order].
type Line struct {
	SKU      string  `json:"sku"      validate:"required,maxlen=20"`
	Quantity int     `json:"quantity" validate:"min=1,max=100000"`
	Price    float64 `json:"price"    validate:"min=0"`
}

// OrderJSON is the body of POST /orders.
const OrderJSON = `{"invoice":"536365","customer":"17850","country":"United Kingdom","lines":[{"sku":"85123A","quantity":6,"price":2.5},` +
	`{"sku":"71053","quantity":6,"price":3.25},{"sku":"84406B","quantity":8,"price":2.75}]}`

// Receipt is the answer to POST /orders.
type Receipt struct {
	Invoice string  `json:"invoice"`
	Total   float64 `json:"total"`
}

// ReceiptJSON is the body of the answer to [OrderJSON].
const ReceiptJSON = `{"invoice":"536365","total":56.5}`

var errOrder = errors.New("the order is not valid")

// check is validation written by hand: the rules of the tags, without saying which one was broken. It is the least that anybody could do.
func (o *Order) check() error {
	ok := o.Invoice != "" && len(o.Invoice) <= 32 && o.Customer != "" && len(o.Customer) <= 32 && o.Country != "" && len(o.Country) <= 64 &&
		len(o.Lines) >= 1 && len(o.Lines) <= 1000
	for _, l := range o.Lines {
		ok = ok && l.SKU != "" && len(l.SKU) <= 20 && l.Quantity >= 1 && l.Quantity <= 100_000 && l.Price >= 0
	}
	if !ok {
		return errOrder
	}
	return nil
}

func (o *Order) receipt() Receipt {
	r := Receipt{Invoice: o.Invoice}
	for _, l := range o.Lines {
		r.Total += float64(l.Quantity) * l.Price
	}
	return r
}

// shop answers the two requests with net/http alone. The others wrap it, or do the same in their own way.
type shop struct{ roles []string }

func newShop() *shop { return &shop{roles: []string{"admin", "editor"}} }

func (s *shop) getUser(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, newUser(r.PathValue("id"), s.roles))
}

func (s *shop) postOrder(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyLimit))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var o Order
	if err := json.Unmarshal(body, &o); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := o.check(); err != nil {
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	writeJSON(w, http.StatusCreated, o.receipt())
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error: the client is gone
}
