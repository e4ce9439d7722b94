(* Sends back what comes in on the sockets tcp, udp and unix of LISTEN_FD_MAP. *)
let descriptor (fd : int) : Unix.file_descr = Obj.magic fd (* on Unix it is the number *)

let answer text socket =
  if Unix.getsockopt_int socket Unix.SO_TYPE = 2 (* SOCK_DGRAM *) then
    let n, from = Unix.recvfrom socket text 0 4096 [] in
    ignore (Unix.sendto socket text 0 n [] from)
  else
    let client, _ = Unix.accept socket in
    let n = Unix.read client text 0 4096 in
    ignore (Unix.write client text 0 n);
    Unix.close client

let () =
  let sockets = List.map descriptor (List.filter_map Listen_fd.listen_fd [ "tcp"; "udp"; "unix" ]) in
  let text = Bytes.create 4096 in
  while true do
    let ready, _, _ = Unix.select sockets [] [] (-1.) in
    List.iter (answer text) ready
  done
