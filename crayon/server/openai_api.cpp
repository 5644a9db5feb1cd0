#include "crayon/server/openai_api.h"

#include "crayon/server/internal/routes.h"

namespace crayon {

OpenAiApi::OpenAiApi(const Model& model, EngineQueue& queue, OpenAiApiOptions options)
    : routes_(std::make_shared<server::Routes>(model, queue, std::move(options))) {}

void OpenAiApi::add_routes(HttpServer& server) const {
  const auto routes = routes_;
  server.route("POST", "/v1/chat/completions", [routes](const ServerRequest& request) {
    return routes->answer(server::parse_chat(request.body), request);
  });
  server.route("POST", "/v1/completions", [routes](const ServerRequest& request) {
    return routes->answer(server::parse_completion(request.body), request);
  });
  server.route("GET", "/v1/models",
               [routes](const ServerRequest&) { return ServerResponse{.body = routes->models()}; });
  server.route("GET", "/metrics", [routes](const ServerRequest&) {
    return ServerResponse{.body = routes->metrics(),
                          .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  });
  server.route("GET", "/health",
               [](const ServerRequest&) { return ServerResponse{.body = R"({"status":"ok"})"}; });
}

}  // namespace crayon
