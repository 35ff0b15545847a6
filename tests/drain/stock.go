package drain

import (
	"crypto/sha256"
	"strconv"
)

// stockFails says what the contract of the tour says of stock.
func stockFails(invoice string, attempt int) bool {
	return sha256.Sum256([]byte(invoice + "/" + strconv.Itoa(attempt)))[0] < 13
}
