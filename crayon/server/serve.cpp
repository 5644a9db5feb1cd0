#include "crayon/server/serve.h"

#include <atomic>

#include "crayon/base/error.h"
#include "crayon/engine/queue.h"
#include "crayon/http/server.h"
#include "crayon/server/openai_api.h"

namespace crayon {
namespace {

constexpr int kSpareThreads = 8;  // for requests that need no engine, and to answer 503

HttpServerOptions http_options(const ServeOptions& options) {
  if (options.queue < 1 || options.queue > 512) {
    throw Error(ErrorCode::InvalidArgument,
                "queue of " + std::to_string(options.queue) + " requests; expected 1 to 512");
  }
  HttpServerOptions out;
  out.host = options.host;
  out.port = options.port;
  out.key = options.key;
  out.open_paths = {"/health"};
  out.threads = static_cast<int>(options.queue) + kSpareThreads;
  return out;
}

std::unique_ptr<Engine> open_with_adapter(Model& model, const ServeOptions& options) {
  auto engine = model.open_engine(options.engine);
  if (!options.adapter.empty()) engine->set_adapter_file(options.adapter);
  return engine;
}

}  // namespace

struct ApiServer::Impl {
  Impl(std::shared_ptr<Model> m, const ServeOptions& options)
      : http(http_options(options)),
        model(std::move(m)),
        queue(open_with_adapter(*model, options), options.queue) {
    if (options.model_name.empty()) {
      throw Error(ErrorCode::InvalidArgument, "no name for the model; clients need one to ask for");
    }
    OpenAiApi(*model, queue,
              {options.model_name, options.engine.context_tokens,
               [this] { return stopping.load(); }, options.books})
        .add_routes(http);
  }

  std::atomic<bool> stopping = false;
  HttpServer http;               // first: checks host and key before the engine is opened
  std::shared_ptr<Model> model;  // shared with who opened it
  EngineQueue queue;
};

void check_access(const ServeOptions& options) {
  const HttpServer checked(http_options(options));  // listens only once it is started
}

ApiServer::ApiServer(std::shared_ptr<Model> model, const ServeOptions& options)
    : impl_(std::make_unique<Impl>(std::move(model), options)) {}

ApiServer::~ApiServer() { stop(); }  // the handlers use the queue: they end first

int ApiServer::start() { return impl_->http.start(); }

void ApiServer::stop() {
  impl_->stopping = true;
  impl_->http.stop();
}

std::string ApiServer::url() const { return impl_->http.url(); }

}  // namespace crayon
