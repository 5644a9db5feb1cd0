// A client of any OpenAI-compatible server: the larger LLM.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/http/client.h"
#include "crayon/prompt/example.h"

namespace crayon {

struct RemoteOptions {
  std::string url;    ///< Base URL with or without /v1.
  std::string model;  ///< "" asks the server for its first model.
  std::string key;    ///< Bearer token; never logged, never in a message.
  HttpTimeouts timeouts;
};

struct ChatOptions {
  int max_tokens = 256;
  double temperature = 0;
  int top_log_probs = 0;  ///< 0: do not ask for log-probs.
};

struct RemoteToken {
  std::string text;
  double log_prob = 0;
  std::vector<std::pair<std::string, double>> top;
};

struct RemoteAnswer {
  std::string text;
  std::string model;
  std::string finish_reason;
  std::vector<RemoteToken> tokens;  ///< Where the server gives log-probs.
  int prompt_tokens = 0;
  int completion_tokens = 0;
};

/// A piece of the answer as it comes; false cancels.
using OnText = std::function<bool(std::string_view)>;

class Remote {
 public:
  explicit Remote(RemoteOptions options);

  /// Chat completion; streamed when `on_text` is given (an answer that breaks off throws).
  /// @throws Error Unavailable  down, slow, 429, 5xx, broken stream, wrong key (401, 403: says so);
  ///         InvalidArgument  the server refuses the request (400, 422), its message quoted;
  ///         CorruptFile  an answer that is not the API's, with what was found
  [[nodiscard]] RemoteAnswer chat(const std::vector<ChatMessage>& messages,
                                  const ChatOptions& options, const OnText& on_text = {});
  /// Plain completion of a prompt (/v1/completions).
  [[nodiscard]] RemoteAnswer complete(const std::string& prompt, const ChatOptions& options,
                                      const OnText& on_text = {});
  [[nodiscard]] std::vector<std::string> models();
  [[nodiscard]] const RemoteOptions& options() const { return options_; }

 private:
  RemoteOptions options_;
  HttpClient http_;
};

}  // namespace crayon
