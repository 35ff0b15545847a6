package metric

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// Handler returns the handler of /metrics: the metrics of r and those of prometheus.DefaultGatherer (from where alone go_ and process_ come, and whatever
// instrumented libraries register there), in the Prometheus text format, or as OpenMetrics with exemplars for who asks for it. A collector that fails is left
// out and the rest is served.
func (r *Registry) Handler() http.Handler {
	gatherers := prometheus.Gatherers{r.gatherer, prometheus.GathererFunc(gatherDefault)} // of two families with one name the first is served
	if r.ofProcess {
		gatherers = gatherers[1:]
	}
	return promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.ContinueOnError})
}

// gatherDefault gathers prometheus.DefaultGatherer without go_memstats_alloc_bytes_total, whose OpenMetrics family has the name of the gauge
// go_memstats_alloc_bytes, so that OpenMetrics parsers refuse the whole page.
func gatherDefault() ([]*dto.MetricFamily, error) {
	families, err := prometheus.DefaultGatherer.Gather()
	kept := families[:0]
	for _, f := range families {
		if f.GetName() != "go_memstats_alloc_bytes_total" {
			kept = append(kept, f)
		}
	}
	return kept, err
}
