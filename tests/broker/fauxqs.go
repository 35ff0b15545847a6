package broker

import (
	"fmt"
	"syscall"
)

// fauxqsServer is a program, since that of the package listens on all addresses.
const fauxqsServer = `import { buildApp } from "fauxqs";
const app = buildApp({ logger: false });
await app.listen({ host: "127.0.0.1", port: Number(process.env.PORT) });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(0));
`

// setFauxqs sets up a server for SNS and SQS. All it has is in its memory.
func (b *Broker) setFauxqs() error {
	node, err := b.program("node")
	if err != nil {
		return err
	}
	ports, err := b.reserve(1)
	if err != nil {
		return err
	}
	b.add("fauxqs", ports[0], command{
		args: []string{node, "--input-type=module", "--eval", fauxqsServer},
		env:  []string{fmt.Sprintf("PORT=%d", ports[0])},
		dir:  b.store.path(Fauxqs.needs().artifact), // where the package is found
		stop: syscall.SIGTERM,
	})
	b.version = fauxqsVersion
	return nil
}
