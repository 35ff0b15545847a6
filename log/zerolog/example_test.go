package zerolog_test

import (
	"bytes"
	"encoding/json"
	"fmt"

	plog "github.com/beatlabs/patron/log"
	pzerolog "github.com/beatlabs/patron/log/zerolog"
)

func Example() {
	var out bytes.Buffer // os.Stderr in a service
	logger, err := pzerolog.New(&out, plog.InfoLevel, map[string]any{"srv": "orders", "ver": "1.0.0"})
	if err != nil {
		fmt.Println(err)
		return
	}

	logger.Debug("below the level")
	logger.Sub(map[string]any{"requestID": "7f"}).Infof("order %s accepted", "536365")

	var line struct{ Lvl, Msg, Srv, Ver, RequestID string }
	fmt.Println(json.Unmarshal(out.Bytes(), &line), line)
	// Output: <nil> {info order 536365 accepted orders 1.0.0 7f}
}

func ExampleFactory() {
	var out bytes.Buffer
	factory, err := pzerolog.Factory(&out, plog.WarnLevel, pzerolog.WithFormat(pzerolog.Text))
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := plog.Setup(factory, map[string]any{"srv": "orders"}); err != nil {
		fmt.Println(err)
		return
	}
	defer plog.SetDefault(nil)

	plog.Info("below the level")
	plog.Warn("stock is slow")

	fmt.Println(bytes.Count(out.Bytes(), []byte("\n")), bytes.Contains(out.Bytes(), []byte("WRN")))
	// Output: 1 true
}

func ExampleParseFormat() {
	format, err := pzerolog.ParseFormat("TEXT")
	fmt.Println(format, err)
	_, err = pzerolog.ParseFormat("xml")
	fmt.Println(err)
	// Output:
	// text <nil>
	// log format "xml": want json or text
}
