package provider

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Keys of the semantic conventions for resources.
const (
	keyServiceName    = attribute.Key("service.name")
	keyServiceVersion = attribute.Key("service.version")
	keySDKName        = attribute.Key("telemetry.sdk.name")
	keySDKLanguage    = attribute.Key("telemetry.sdk.language")
	keySDKVersion     = attribute.Key("telemetry.sdk.version")
)

// newResource describes a service. It has no schema URL, so that it can be merged with any other resource.
func newResource(name, version string, more []attribute.KeyValue) *resource.Resource {
	attrs := []attribute.KeyValue{
		keySDKName.String("opentelemetry"),
		keySDKLanguage.String("go"),
		keySDKVersion.String(sdk.Version()),
		keyServiceName.String(name),
	}
	if version != "" {
		attrs = append(attrs, keyServiceVersion.String(version))
	}
	return resource.NewSchemaless(append(attrs, more...)...) // the last one with a key wins
}

// ParseResourceAttributes reads what the OpenTelemetry specification puts into OTEL_RESOURCE_ATTRIBUTES: key=value pairs with commas between them, such as
// "deployment.environment.name=prod,host.name=a1". Commas, equals signs and percent signs in keys and values are percent-encoded. Spaces around keys and
// values and empty pairs do not count. All values are strings; if a key comes twice both are returned, in order, and the last one wins in [WithResource].
// The error joins all that is wrong; as the specification demands, nothing is returned then.
func ParseResourceAttributes(s string) ([]attribute.KeyValue, error) {
	var attrs []attribute.KeyValue
	var errs []error
	for pair := range strings.SplitSeq(s, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		kv, err := parsePair(pair)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		attrs = append(attrs, kv)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return attrs, nil
}

func parsePair(pair string) (attribute.KeyValue, error) {
	key, value, found := strings.Cut(pair, "=")
	if !found {
		return attribute.KeyValue{}, fmt.Errorf("resource attribute %q: want key=value", pair)
	}
	k, err := url.PathUnescape(strings.TrimSpace(key))
	if err != nil {
		return attribute.KeyValue{}, fmt.Errorf("resource attribute %q: key: %w", pair, err)
	}
	if k == "" {
		return attribute.KeyValue{}, fmt.Errorf("resource attribute %q: key is empty", pair)
	}
	v, err := url.PathUnescape(strings.TrimSpace(value))
	if err != nil {
		return attribute.KeyValue{}, fmt.Errorf("resource attribute %q: value: %w", pair, err)
	}
	return attribute.String(k, v), nil
}
