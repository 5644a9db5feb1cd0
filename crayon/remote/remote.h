// A client of any OpenAI-compatible server: the larger LLM.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "crayon/http/client.h"
#include "crayon/prompt/example.h"

namespace crayon {

namespace wire {
struct Ask;
}

struct RemoteOptions {
  std::string url{};    ///< Base URL; "/v1" is added unless its path has a version already.
  std::string model{};  ///< "" asks the server for its first model.
  std::string key{};    ///< Bearer token; never logged, never in a message.
  HttpTimeouts timeouts{};
};

struct ChatOptions {
  int max_tokens = 256;
  double temperature = 0;
  int top_log_probs = 0;  ///< 0: do not ask for log-probs. Left out for a server that refuses them.
};

struct RemoteToken {
  std::string text{};
  double log_prob = 0;
  std::vector<std::pair<std::string, double>> top{};  ///< As the server orders them.
};

struct RemoteAnswer {
  std::string text{};
  std::string model{};
  std::string finish_reason{};        ///< As the server says ("stop", "length"), or "cancelled".
  std::vector<RemoteToken> tokens{};  ///< Where the server gives log-probs.
  int prompt_tokens = 0;              ///< 0 where the server does not say.
  int completion_tokens = 0;
};

/// A piece of the answer as it comes; false cancels.
using OnText = std::function<bool(std::string_view)>;

/// Safe to use from several threads.
class Remote {
 public:
  /// @throws Error InvalidArgument, Unsupported  the URL, as HttpClient
  explicit Remote(RemoteOptions options);

  /// Chat completion; streamed when `on_text` is given (an answer that breaks off throws).
  /// @throws Error Unavailable  down, slow, 429, 5xx, broken stream, wrong key (401, 403: says so);
  ///         InvalidArgument  the server refuses the request (400, 413, 422), its message quoted
  ///         unless it repeats the texts that were sent;
  ///         NotFound  404: no such model or path;
  ///         CorruptFile  an answer that is not the API's, with what was found
  [[nodiscard]] RemoteAnswer chat(const std::vector<ChatMessage>& messages,
                                  const ChatOptions& options, const OnText& on_text = {});
  /// Plain completion of a prompt (/v1/completions).
  [[nodiscard]] RemoteAnswer complete(const std::string& prompt, const ChatOptions& options,
                                      const OnText& on_text = {});
  /// The names of the server's models, in its order.
  [[nodiscard]] std::vector<std::string> models();

 private:
  struct Learnt;

  [[nodiscard]] std::string model();
  [[nodiscard]] HttpRequest request(const std::string& method, const std::string& path,
                                    std::string body = {}) const;
  [[nodiscard]] RemoteAnswer send(const wire::Ask& ask, const OnText& on_text);
  [[nodiscard]] RemoteAnswer ask(wire::Ask ask, const OnText& on_text);

  RemoteOptions options_;
  HttpClient http_;
  std::shared_ptr<Learnt> learnt_;  ///< Of the server; shared by copies: asked for once.
};

}  // namespace crayon
