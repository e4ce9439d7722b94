(* The number of the label's fd in LISTEN_FD_MAP. *)
let listen_fd label =
  let map = Option.value (Sys.getenv_opt "LISTEN_FD_MAP") ~default:"" in
  let number entry =
    match String.index_opt entry '=' with
    | Some i when String.sub entry 0 i = label ->
        Some (String.sub entry (i + 1) (String.length entry - i - 1))
    | _ -> None
  in
  let canonical text fd = fd >= 0 && fd <= 0x7fffffff && string_of_int fd = text in
  match List.find_map number (String.split_on_char ',' map) with
  | None -> None
  | Some text -> Option.bind (int_of_string_opt text) (fun fd -> if canonical text fd then Some fd else None)
