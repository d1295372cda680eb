"""Where Services lead: Endpoints and EndpointSlices. They are records only; nothing here routes anything."""
