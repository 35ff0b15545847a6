package sync

// Response is what a processor answers. A nil Response is an answer without content: 204 in HTTP.
type Response struct {
	Payload any               // encoded by what was negotiated; nil: no body
	Header  map[string]string // set on the answer; may be nil
	Status  int               // the HTTP status; 0: 201 for POST, else 200. Other transports ignore it.
}

// NewResponse returns a Response with the given payload.
func NewResponse(payload any) *Response { return &Response{Payload: payload} }
