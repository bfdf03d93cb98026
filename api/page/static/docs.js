// Swagger UI over the service's own OpenAPI document.
const place = document.getElementById("swagger");
window.SwaggerUIBundle({
  url: place.dataset.openapi,
  domNode: place,
  deepLinking: true,
  tryItOutEnabled: true,
  presets: [window.SwaggerUIBundle.presets.apis, window.SwaggerUIBundle.SwaggerUIStandalonePreset].filter(Boolean),
});
