// A larger LLM on loopback that writes down every byte of what it is asked, for tests of what may
// leave.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace crayon {

class RecordingServer {
 public:
  /// @param reply  what it says to everything, streamed where that is asked for
  explicit RecordingServer(std::string reply = "B");
  ~RecordingServer();
  RecordingServer(const RecordingServer&) = delete;
  RecordingServer& operator=(const RecordingServer&) = delete;

  [[nodiscard]] std::string url() const;
  /// Everything that came: for each request its method, path, headers and body as one text.
  [[nodiscard]] std::vector<std::string> heard() const;
  void forget();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace crayon
